import { setTimeout as sleep } from 'node:timers/promises';
import {
  jetstream,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  JetStreamError,
  type StreamConfig,
} from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { MicroError } from '@micro/errors';
import type { NatsClient } from '@micro/nats';
import { contentStream, contentSubject, infoStream, noteStream, tickSubject } from './nats-subjects.js';

/** The last message on a subject. */
export interface Last {
  readonly sequence: number;
  readonly data: Uint8Array;
  /** When the server took it, in milliseconds since 1970 by its clock. */
  readonly time: number;
}

export interface PublishOptions {
  /** By which the server knows it, if it has it already. */
  readonly id: string;
  /** Only if the last message on the subject has this number; 0: if there is none. Else MicroError `aborted`. */
  readonly after?: number;
}

/** Milliseconds that one request may take, all its attempts together, and a connection may be away that is waited for. */
const timeouts = { request: 4_000, attempts: 12_000, away: 1_500 } as const;
const pause = 100;
/** Chunks that are taken away, and asked for the numbers of, at a time. */
const [removedAtOnce, listedAtOnce] = [16, 1_000];
/** Bytes of a message: all that may be said of a blob fits. */
const leastPayload = 256 * 1024;
/** Codes of JetStream (nats-server's errors.json) that there is no room: of an account, a server, a stream. */
const full = new Set([10002, 10023, 10028, 10047, 10077]);
const codes = {
  disabled: 10039,
  wrongLast: 10071,
  inUse: 10058,
  noStream: 10059,
  noPeers: 10005,
  notClustered: 10074,
} as const;

/** The streams of JetStream that blobs are in. What a server that changes, or is away for a moment, does not answer is asked again. */
export class BlobStreams {
  readonly #nats: NatsClient;
  readonly #replicas: number;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;

  /** Bytes of a message. */
  readonly mostBytes: number;

  private constructor(of: {
    readonly nats: NatsClient;
    readonly replicas: number;
    readonly client: JetStreamClient;
    readonly manager: JetStreamManager;
  }) {
    this.#nats = of.nats;
    this.#replicas = of.replicas;
    this.#client = of.client;
    this.#manager = of.manager;
    this.mostBytes = payloadOf(of.nats.connection.info?.max_payload ?? leastPayload);
  }

  /** Makes the streams where they are not there yet; each message is kept by so many servers. */
  static async open(nats: NatsClient, replicas: number): Promise<BlobStreams> {
    const { request: timeout } = timeouts;
    const manager = await jetstreamManager(nats.connection, { checkAPI: false, timeout });
    const streams = new BlobStreams({ nats, replicas, manager, client: jetstream(nats.connection, { timeout }) });
    await streams.#asked(() => streams.#make());
    return streams;
  }

  /**
   * Resolves to its number in the stream when it is kept. MicroError `resource_exhausted` if there is no room; after `unavailable` it may be kept,
   * or may be later.
   */
  async publish(subject: string, data: Uint8Array, { id, after }: PublishOptions): Promise<number> {
    const expect = after === undefined ? undefined : { lastSubjectSequence: after };
    let attempts = 0;
    const attempt = async () => {
      attempts++;
      return (await this.#client.publish(subject, data, { msgID: id, expect })).seq;
    };
    return this.#asked(attempt).catch((error: MicroError) => {
      // What was not answered at first may be kept: a cluster that is full does not look.
      if (attempts === 1 || error.code !== 'resource_exhausted') throw error;
      throw new MicroError('unavailable', error.detail, { id: 'store', cause: error });
    });
  }

  /** As its leader has it. */
  async last(stream: { readonly name: string }, subject: string): Promise<Last | undefined> {
    const message = await this.#asked(() => this.#manager.streams.getMessage(stream.name, { last_by_subj: subject }));
    return message ? { sequence: message.seq, data: message.data, time: message.time.getTime() } : undefined;
  }

  /** Every subject that has a message, of those that match. */
  async subjects(stream: { readonly name: string }, filter: string): Promise<string[]> {
    const query = { subjects_filter: filter };
    const { state } = await this.#asked(() => this.#manager.streams.info(stream.name, { ...query }));
    return Object.keys(state.subjects ?? {});
  }

  /** Takes one message away. One that is not there is no error. */
  async remove(stream: { readonly name: string }, sequence: number): Promise<void> {
    const work = () => this.#manager.streams.deleteMessage(stream.name, sequence, false);
    await this.#asked(async () => {
      await work().catch((error: unknown) => {
        if (!(error instanceof JetStreamApiError && /no message found|not found/.test(error.message))) throw error;
      });
    });
  }

  /** A chunk of a writing. Undefined: there is none. A power cut may have taken it, and given its number to another. */
  async chunk(id: string, sequence: number): Promise<Uint8Array | undefined> {
    const { name } = contentStream;
    // Any server that has the stream answers, and one may not have all of it yet; then the leader.
    const near = await this.#asked(() => this.#manager.direct.getMessage(name, { seq: sequence }));
    const message = near ?? (await this.#asked(() => this.#manager.streams.getMessage(name, { seq: sequence })));
    return message?.subject === contentSubject(id) ? message.data : undefined;
  }

  /**
   * Takes the chunks of a writing away. One by one: a server of 2.9 that is told to purge a subject goes on counting its bytes, and is full before
   * it is.
   */
  async removeContent(id: string): Promise<void> {
    const sequences = await this.#asked(() => this.#chunksOf(contentSubject(id)));
    for (let at = 0; at < sequences.length; at += removedAtOnce)
      await Promise.all(sequences.slice(at, at + removedAtOnce).map((one) => this.remove(contentStream, one)));
  }

  /** Milliseconds since 1970, by the clock that messages get their times of. */
  async now(): Promise<number> {
    await this.#asked(() => this.#client.publish(tickSubject));
    return (await this.last(noteStream, tickSubject))?.time ?? 0;
  }

  /** Their numbers, without what is in them. */
  async #chunksOf(subject: string): Promise<readonly number[]> {
    const { name } = contentStream;
    const { state } = await this.#manager.streams.info(name, { subjects_filter: subject });
    const count = state.subjects?.[subject] ?? 0;
    if (count === 0) return [];
    const consumer = await this.#client.consumers.get(name, { filter_subjects: subject, headers_only: true });
    const sequences: number[] = [];
    try {
      while (sequences.length < count) {
        const wanted = Math.min(count - sequences.length, listedAtOnce);
        const before = sequences.length;
        for await (const { seq } of await consumer.fetch({ max_messages: wanted, expires: timeouts.request }))
          sequences.push(seq);
        if (sequences.length === before) throw new errors.TimeoutError();
      }
    } finally {
      // By itself the server would keep it for five minutes.
      void consumer.delete().catch(() => undefined);
    }
    return sequences;
  }

  async #make(): Promise<void> {
    const num_replicas = this.#replicas;
    for (const { name, subject } of [infoStream, noteStream])
      await this.#makeOne({ name, subjects: [`${subject}.>`], num_replicas, max_msgs_per_subject: 1 });
    const { name, subject } = contentStream;
    await this.#makeOne({ name, subjects: [`${subject}.*`], num_replicas, allow_direct: true });
  }

  async #makeOne(config: Partial<StreamConfig> & { readonly name: string }): Promise<void> {
    try {
      await this.#manager.streams.add(config);
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== codes.inUse) throw error;
      // There with other replicas.
      await this.#manager.streams.update(config.name, config);
    }
  }

  /**
   * Asks again where nobody answered: a cluster that changes its leader does not for a moment. A server that has come back without its data gets the
   * streams anew.
   */
  async #asked<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + timeouts.attempts;
    for (let isMade = false; ;) {
      await this.#connected();
      try {
        return await this.#nats.whileConnected(work());
      } catch (error) {
        const mayBeMissing = isNobody(error) || (error instanceof JetStreamApiError && error.code === codes.noStream);
        if (mayBeMissing && !isMade) {
          isMade = true;
          await this.#make().catch(() => undefined);
          continue;
        }
        // One server alone has no leader that it waits for.
        const isAlone = isNobody(error) && !this.#nats.connection.info?.cluster;
        if (!isSilence(error) || isAlone || performance.now() > end) throw this.#explain(error);
        await sleep(pause);
      }
    }
  }

  /** A connection that is lost just now may be there again in a moment. */
  async #connected(): Promise<void> {
    while (!this.#nats.isConnected && this.#nats.awayFor < timeouts.away && this.#nats.awayFor > 0)
      await sleep(pause / 4);
    this.#nats.check();
  }

  #explain(error: unknown): MicroError {
    const options = { id: 'store', cause: error };
    if (error instanceof JetStreamApiError) {
      const said = `JetStream says: ${error.message}`;
      if (error.code === codes.wrongLast) return new MicroError('aborted', said, options);
      if (full.has(error.code))
        return new MicroError('resource_exhausted', `NATS is full, ${said}; give it more room, or delete`, options);
      if (error.code === codes.noPeers || error.code === codes.notClustered)
        return new MicroError(
          'failed_precondition',
          `${said}; a cluster needs as many servers as MICRO_NATS_REPLICAS says`,
          options,
        );
      if (error.code === codes.disabled)
        return new MicroError('failed_precondition', `${said}: enable it for the account of this user`, options);
      return new MicroError('unavailable', said, options);
    }
    if (isSilence(error) && this.#nats.isConnected)
      return new MicroError(
        'unavailable',
        'JetStream does not answer: is it enabled (nats-server -js), and has its cluster more than half of its servers?',
        options,
      );
    return this.#nats.explain(error);
  }
}

function payloadOf(most: number): number {
  if (most >= leastPayload) return most;
  const detail = `NATS takes messages of ${most} bytes: set its max_payload to ${leastPayload} at least`;
  throw new MicroError('failed_precondition', detail, { id: 'store' });
}

/** Nobody has answered, or somebody who cannot. */
function isSilence(error: unknown): boolean {
  if (error instanceof MicroError) return error.code === 'unavailable';
  if (error instanceof JetStreamApiError)
    return error.status === 503 && error.code !== codes.disabled && !full.has(error.code);
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    error instanceof JetStreamError ||
    isNobody(error)
  );
}

function isNobody(error: unknown): boolean {
  return error instanceof Error && error.name === 'JetStreamNotEnabled';
}
