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

/** Milliseconds that one request may take, all attempts together, and a lost connection may be away. */
const timeouts = { request: 4_000, attempts: 12_000, away: 2_000 } as const;
const pause = 100;
/** Bytes of a message: all that may be said of a blob fits. */
const leastPayload = 256 * 1024;
/** Codes of JetStream (nats-server's errors.json) that there is no room: of an account, a server, a stream. */
const full = new Set([10002, 10023, 10028, 10047, 10077]);
const codes = { disabled: 10039, wrongLast: 10071, inUse: 10058, noPeers: 10005, notClustered: 10074 } as const;

/** The streams of JetStream that blobs are in. What a server that changes, or is away for a moment, does not answer is asked again. */
export class BlobStreams {
  readonly #nats: NatsClient;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;

  /** Bytes of a message. */
  readonly mostBytes: number;

  private constructor(nats: NatsClient, client: JetStreamClient, manager: JetStreamManager) {
    this.mostBytes = payloadOf(nats.connection.info?.max_payload ?? leastPayload);
    this.#nats = nats;
    this.#client = client;
    this.#manager = manager;
  }

  /** Makes the streams where they are not there yet; each message is kept by so many servers. */
  static async open(nats: NatsClient, replicas: number): Promise<BlobStreams> {
    const { request: timeout } = timeouts;
    const manager = await jetstreamManager(nats.connection, { checkAPI: false, timeout });
    const streams = new BlobStreams(nats, jetstream(nats.connection, { timeout }), manager);
    for (const { name, subject } of [infoStream, noteStream]) {
      const limits = { max_msgs_per_subject: 1 };
      await streams.#asked(() =>
        streams.#make({ name, subjects: [`${subject}.>`], num_replicas: replicas, ...limits }),
      );
    }
    const { name, subject } = contentStream;
    const content = { name, subjects: [`${subject}.*`], num_replicas: replicas, allow_direct: true };
    await streams.#asked(() => streams.#make(content));
    return streams;
  }

  /** Resolves to its number in the stream when it is kept. MicroError `resource_exhausted` if there is no room. */
  async publish(subject: string, data: Uint8Array, { id, after }: PublishOptions): Promise<number> {
    const expect = after === undefined ? undefined : { lastSubjectSequence: after };
    return this.#asked(async () => (await this.#client.publish(subject, data, { msgID: id, expect })).seq);
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

  /** A chunk of content. Undefined: there is none. */
  async chunk(sequence: number): Promise<Uint8Array | undefined> {
    const { name } = contentStream;
    // Any server that has the stream answers, and one may not have all of it yet; then the leader.
    const near = await this.#asked(() => this.#manager.direct.getMessage(name, { seq: sequence }));
    const message = near ?? (await this.#asked(() => this.#manager.streams.getMessage(name, { seq: sequence })));
    return message?.data;
  }

  async purgeContent(id: string): Promise<void> {
    await this.#asked(() => this.#manager.streams.purge(contentStream.name, { filter: contentSubject(id) }));
  }

  /** Milliseconds since 1970, by the clock that messages get their times of. */
  async now(): Promise<number> {
    await this.#asked(() => this.#client.publish(tickSubject));
    return (await this.last(noteStream, tickSubject))?.time ?? 0;
  }

  async #make(config: Partial<StreamConfig> & { readonly name: string }): Promise<void> {
    try {
      await this.#manager.streams.add(config);
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== codes.inUse) throw error;
      // There with other replicas.
      await this.#manager.streams.update(config.name, config);
    }
  }

  /** Asks again where nobody answered: a cluster that changes its leader does not for a moment. */
  async #asked<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + timeouts.attempts;
    for (;;) {
      await this.#connected();
      try {
        return await work();
      } catch (error) {
        if (!isSilence(error) || performance.now() > end) throw this.#explain(error);
        await sleep(pause);
      }
    }
  }

  async #connected(): Promise<void> {
    const end = performance.now() + timeouts.away;
    while (!this.#nats.isConnected && performance.now() < end) await sleep(pause / 4);
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
  if (error instanceof JetStreamApiError)
    return error.status === 503 && error.code !== codes.disabled && !full.has(error.code);
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    error instanceof errors.NoRespondersError ||
    error instanceof JetStreamError ||
    (error instanceof Error && error.name === 'JetStreamNotEnabled')
  );
}
