import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import type { NatsClient } from '@micro/nats';
import { errors, headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { explained, isNumber, isPassing, JetstreamError, numbers, tooLarge } from './jetstream-errors.js';

/** A message of a stream. */
export interface Stored {
  readonly subject: string;
  readonly sequence: number;
  /** Milliseconds since 1970, by the clock of the server. */
  readonly at: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly data: Uint8Array;
}

/** What a stream holds: nothing if `first` is behind `last`. */
export interface StreamState {
  readonly first: number;
  readonly last: number;
  readonly messages: number;
  readonly bytes: number;
  /** When somebody last made it, there or not, in milliseconds since 1970. */
  readonly made: number;
  /** How many messages a subject has, of those asked for. */
  readonly subjects: Readonly<Record<string, number>>;
}

/** Of a stream's configuration, what is ours; nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly [setting: string]: unknown;
}

interface StreamAnswer {
  /** Subjects that were asked for, of which a part may be in this answer. */
  readonly total?: number;
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly subjects?: Record<string, number>;
  };
}

/** Milliseconds that one request waits for its answer. */
const answerTimeout = 1_500;
/** Milliseconds in which JetStream must have answered, with as many requests as that takes; and in which a lost connection must be there again. */
const patience = { answer: 4_000, connection: 2_000 } as const;
/** Milliseconds that any server has to answer where the leader can be asked instead; and in which only that one is, when one has not. */
const directTimeout = 500;
const hangsFor = 5_000;
/** Milliseconds in which a server that was away, and led, hears that it does so no longer. */
const staleFor = 2_500;
/** Milliseconds between two of them. */
const retryInterval = 100;

/** JetStream as its servers speak it (docs.nats.io, "JetStream wire API reference"), as much of it as events need. */
export class JetstreamServer {
  readonly #nats: NatsClient;
  readonly #address: string;
  readonly #replicas: number;
  #hangsUntil = 0;

  constructor(nats: NatsClient, options: { readonly address: string; readonly replicas: number }) {
    this.#nats = nats;
    this.#address = options.address;
    this.#replicas = options.replicas;
  }

  /** Makes a stream, or makes the one that there is what it should be. */
  ensure(settings: StreamConfig): Promise<void> {
    const config = {
      retention: 'limits',
      storage: 'file',
      discard: 'old',
      max_consumers: -1,
      max_msgs: -1,
      max_bytes: -1,
      max_msg_size: -1,
      num_replicas: this.#replicas,
      allow_direct: true,
      ...settings,
    };
    return this.persist(async () => {
      try {
        await this.#ask(`STREAM.CREATE.${settings.name}`, config);
      } catch (error) {
        if (!isNumber(error, numbers.otherStream)) throw error;
        const { config: found } = await this.#ask<StreamAnswer>(`STREAM.INFO.${settings.name}`);
        await this.#ask(`STREAM.UPDATE.${settings.name}`, { ...found, ...config });
      }
    });
  }

  /** Undefined: there is no such stream. */
  state(name: string, subjects?: string): Promise<StreamState | undefined> {
    const question = subjects === undefined ? undefined : { subjects_filter: subjects };
    return this.persist(async () => {
      const answer = await this.#ifThere(this.#ask<StreamAnswer>(`STREAM.INFO.${name}`, question));
      return answer && stateOf(answer);
    });
  }

  /** Of those that match, the subjects that a stream has messages of. */
  async subjectsIn(name: string, filter: string): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const question = { subjects_filter: filter, offset: found.length };
      const answer = await this.persist(() => this.#ifThere(this.#ask<StreamAnswer>(`STREAM.INFO.${name}`, question)));
      const some = Object.keys(answer?.state.subjects ?? {});
      found.push(...some);
      if (some.length === 0 || found.length >= (answer?.total ?? 0)) return [...new Set(found)];
    }
  }

  /** First subjects of the streams that have subjects of those. */
  async subjects(filter: string): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const { streams, total } = await this.persist(() =>
        this.#ask<{ readonly streams: readonly StreamAnswer[] | null; readonly total: number }>('STREAM.LIST', {
          subject: filter,
          offset: found.length,
        }),
      );
      found.push(...(streams ?? []).flatMap(({ config }) => config.subjects.slice(0, 1)));
      // One that is made meanwhile moves others to the next page.
      if (!streams?.length || found.length >= total) return [...new Set(found)];
    }
  }

  /** MicroError `failed_precondition` if the server takes no message of so many bytes. */
  checkSize(bytes: number): void {
    const most = this.#nats.connection.info?.max_payload ?? Infinity;
    if (bytes > most) throw new MicroError('failed_precondition', tooLarge(this.#address), { id: 'broker' });
  }

  /** Stores a message once. `known`: with `Nats-Msg-Id`, by which a repetition is known. Throws what the client and JetStream do: see `persist`. */
  async append(
    subject: string,
    data: Uint8Array,
    known: MsgHdrs,
  ): Promise<{ readonly sequence: number; readonly duplicate: boolean }> {
    const answer = (await this.#request(subject, data, { headers: known })).json<{
      seq?: number;
      duplicate?: boolean;
      error?: Failure;
    }>();
    if (answer.error) throw new JetstreamError(answer.error);
    // The first of it is on its way.
    if (!answer.seq)
      throw new JetstreamError({ err_code: numbers.underWay, description: 'the first is not stored yet' });
    return { sequence: answer.seq, duplicate: answer.duplicate === true };
  }

  /**
   * A message by its sequence; `subjects` are all that its stream has. Undefined: it is not there any more. A server that has been away answers with what it
   * knew: that one does not know a message says nothing unless he knows a later one, or has removed it, or still does not when he has heard of the others.
   */
  async get(name: string, seq: number, subjects: string): Promise<Stored | undefined> {
    const direct = await this.#direct(name, { seq });
    if (direct) return direct;
    return this.persist(async () => {
      const next = () => this.#ofLeader(name, { seq, next_by_subj: subjects });
      let found = await next();
      const state = found ? undefined : await this.state(name);
      if (state && state.first <= seq && seq <= state.last) {
        await this.settle();
        found = await next();
      }
      if (found) return found.sequence === seq ? found : undefined;
      if (!state || state.first > seq || state.last >= seq) return undefined;
      throw new JetstreamError({ err_code: numbers.behind, description: `nobody knows message ${seq} of ${name} yet` });
    });
  }

  /** The last message of a subject, of which the others may be behind. Undefined for none, or from a server that has been away: see `get`. */
  last(name: string, subject: string): Promise<Stored | undefined> {
    return this.persist(() => this.#ofLeader(name, { last_by_subj: subject }));
  }

  /** The first message from a sequence on, of some subjects. Undefined for none, or from a server that has been away: see `get`. */
  next(name: string, seq: number, subjects: string): Promise<Stored | undefined> {
    return this.persist(() => this.#ofLeader(name, { seq, next_by_subj: subjects }));
  }

  /** Waits, where there are several servers, until one that has been away knows what the others do. */
  async settle(): Promise<void> {
    if (this.#replicas > 1) await sleep(staleFor);
  }

  /** Removes messages of a subject, or those before a sequence; returns how many. */
  async purge(name: string, which: { readonly filter: string } | { readonly seq: number }): Promise<number> {
    // To JetStream this means all.
    if ('seq' in which && which.seq <= 1) return 0;
    return this.persist(async () => {
      const answer = await this.#ifThere(this.#ask<{ readonly purged: number }>(`STREAM.PURGE.${name}`, which));
      return answer?.purged ?? 0;
    });
  }

  /** Calls back with each message that comes to a subject from when this resolves. Returns what ends that. */
  async listen(subject: string, heard: (message: Msg) => void): Promise<() => void> {
    const subscription = this.#nats.connection.subscribe(subject, {
      callback: (error, message) => (error ? undefined : heard(message)),
    });
    try {
      await this.persist(() => this.#nats.flush());
    } catch (error) {
      subscription.unsubscribe();
      throw error;
    }
    return () => subscription.unsubscribe();
  }

  /**
   * Does it until it succeeds, while what is wrong may pass by itself, and patience lasts. It lasts no longer for work of several requests, so that who
   * asked for it is told what is wrong before his deadline; what is under way then may be done all the same.
   */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    for (;;) {
      const wait = this.#nats.isConnected ? patience.answer : patience.connection;
      try {
        this.#nats.check();
        return await within(begin + patience.answer - performance.now(), work());
      } catch (error) {
        const mayPass = isPassing(error) || !this.#nats.isConnected;
        if (!mayPass || this.#nats.connection.isClosed() || performance.now() + retryInterval > begin + wait)
          throw explained(error, { address: this.#address, nats: this.#nats });
      }
      await sleep(retryInterval);
    }
  }

  /** Undefined: there is no such stream. */
  async #ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (isNumber(error, numbers.noStream)) return undefined;
      throw error;
    }
  }

  async #ask<T>(subject: string, question?: object): Promise<T> {
    const sent = question === undefined ? '' : JSON.stringify(question);
    const answer = (await this.#request(`$JS.API.${subject}`, sent)).json<T & { error?: Failure }>();
    if (answer.error) throw new JetstreamError(answer.error);
    return answer;
  }

  /** From whichever server. Undefined: it has none, or hangs, as the others do not know for a while. */
  async #direct(name: string, which: object): Promise<Stored | undefined> {
    if (performance.now() < this.#hangsUntil || !this.#nats.isConnected) return undefined;
    try {
      const found = await this.#request(`$JS.API.DIRECT.GET.${name}`, JSON.stringify(which), {
        timeout: directTimeout,
      });
      return found.headers?.code ? undefined : fromDirect(found);
    } catch (error) {
      if (!isPassing(error)) throw explained(error, { address: this.#address, nats: this.#nats });
      this.#hangsUntil = performance.now() + hangsFor;
      return undefined;
    }
  }

  async #ofLeader(name: string, which: object): Promise<Stored | undefined> {
    try {
      return fromLeader(
        (await this.#ask<{ readonly message: LeaderMessage }>(`STREAM.MSG.GET.${name}`, which)).message,
      );
    } catch (error) {
      if (isNumber(error, numbers.noMessage) || isNumber(error, numbers.noStream)) return undefined;
      throw error;
    }
  }

  #request(
    subject: string,
    data: Uint8Array | string,
    options: { readonly headers?: MsgHdrs; readonly timeout?: number } = {},
  ): Promise<Msg> {
    return this.#nats.connection.request(subject, data, { timeout: answerTimeout, ...options });
  }
}

type Failure = ConstructorParameters<typeof JetstreamError>[0];

/** Headers of a message by which JetStream knows it again. */
export function idHeaders(id: string): MsgHdrs {
  const known = headers();
  known.set('Nats-Msg-Id', id);
  return known;
}

/** What work resolves to, unless it takes longer than so many milliseconds. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new errors.TimeoutError()), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface LeaderMessage {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  readonly hdrs?: string;
  readonly data?: string;
}

function fromDirect({ headers: found, data }: Msg): Stored {
  const all = new Map<string, string>();
  for (const [name, values] of found ?? []) all.set(name, values[0] ?? '');
  const at = Date.parse(all.get('Nats-Time-Stamp') ?? '');
  return { subject: all.get('Nats-Subject') ?? '', sequence: Number(all.get('Nats-Sequence')), at, headers: all, data };
}

function fromLeader({ subject, seq, time, hdrs = '', data = '' }: LeaderMessage): Stored {
  const lines = Buffer.from(hdrs, 'base64').toString().split('\r\n').slice(1).filter(Boolean);
  const all = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const),
  );
  return { subject, sequence: seq, at: Date.parse(time), headers: all, data: Buffer.from(data, 'base64') };
}

function stateOf({ state, created }: StreamAnswer): StreamState {
  return {
    first: Math.max(1, state.first_seq),
    last: state.last_seq,
    messages: state.messages,
    bytes: state.bytes,
    made: Date.parse(created),
    subjects: state.subjects ?? {},
  };
}

/** Of retention by age, what JetStream allows, in milliseconds. */
const ages = { least: 100, most: 100 * 365 * 24 * 3_600_000 } as const;

/** As JetStream counts a time that something is kept. */
export function nanoseconds(milliseconds: number): number {
  return Math.round(Math.min(Math.max(milliseconds, ages.least), ages.most)) * 1e6;
}
