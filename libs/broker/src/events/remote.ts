import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsProto } from '@micro/proto';
import { type Client, type ClientOf, outsideCalls } from '@micro/rpc';
import {
  type ConsumeOptions,
  type Consumer,
  type DeadLetter,
  type DeadLetterOptions,
  type Event,
  Events,
  type EventsOptions,
  type FollowOptions,
  type NewEvent,
  type Published,
  type ReadOptions,
  type StreamInfo,
  type StreamsOptions,
} from './events.js';
import { fromDeadLetter, fromEvent, fromStreamInfo, toPosition } from './messages.js';
import { RemoteConsumer } from './remote-consumer.js';
import { explained, retryWait } from './remote-errors.js';
import { RemoteFollower } from './remote-follower.js';
import {
  checkedEvent,
  checkedGroup,
  checkedLimit,
  checkedNamespace,
  checkedPosition,
  checkedStream,
  checkedTerms,
  closed,
} from './validation.js';

/** Milliseconds in which publishing is tried again where the events are away. */
const publishPatience = 5_000;

/**
 * The events of apps/broker, over RPC: what user services get. Consumers and followers go on when their events were away. The client belongs
 * to whoever gives it, and stays open.
 */
export class RemoteEvents extends Events {
  readonly #calls: ClientOf<typeof eventsProto.Events>;
  readonly #members = new Set<RemoteConsumer | RemoteFollower>();
  readonly #stop = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(client: Client) {
    super();
    this.#calls = client.of(eventsProto.Events);
  }

  override async publish(stream: string, event: NewEvent, options: EventsOptions = {}): Promise<Published> {
    const call = this.#in(options);
    const { id = randomUUID(), headers, body } = checkedEvent(event);
    const request = { stream: checkedStream(stream), id, headers, body: new Uint8Array(body) };
    const end = performance.now() + publishPatience;
    for (let failures = 0; ; failures++) {
      const began = performance.now();
      try {
        const published = await outsideCalls(() => this.#calls.publish(request, call));
        // What was made up here can have come twice only by trying again.
        return event.id === undefined ? { ...published, duplicate: false } : published;
      } catch (error) {
        const now = performance.now();
        const wait = retryWait(failures);
        // One that takes as long as this one.
        const isTooLate = now + wait + (now - began) > end;
        // The id makes it safe to try again, whatever became of the last attempt.
        if (explained(error).code !== 'unavailable' || this.#closed || isTooLate) throw explained(error);
        await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  override async read(stream: string, options: ReadOptions = {}): Promise<readonly Event[]> {
    const call = this.#in(options);
    const limit = checkedLimit(options.limit);
    const from = toPosition(checkedPosition(options.from ?? 'oldest'));
    const { events } = await asked(this.#calls.read({ stream: checkedStream(stream), from, limit }, call));
    return events.map(fromEvent);
  }

  override follow(stream: string, options: FollowOptions = {}): AsyncIterable<Event> {
    return { [Symbol.asyncIterator]: () => this.#follow(stream, options) };
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    const { namespace } = this.#in(options);
    const { ackWait, maxDeliveries, backoff, inFlight } = checkedTerms(options);
    const from = toPosition(checkedPosition(options.from ?? 'oldest'));
    const join = {
      stream: checkedStream(stream),
      group: checkedGroup(options.group),
      from,
      ackWaitMs: BigInt(ackWait),
      maxDeliveries,
      backoffMs: BigInt(backoff),
      inFlight,
    };
    const left = () => void this.#members.delete(consumer);
    const consumer: RemoteConsumer = new RemoteConsumer(this.#calls, { join, namespace, signal: options.signal, left });
    this.#members.add(consumer);
    await consumer.begin();
    return consumer;
  }

  override async streams(options: StreamsOptions = {}): Promise<readonly StreamInfo[]> {
    const stream = options.stream === undefined ? '' : checkedStream(options.stream);
    return (await asked(this.#calls.streams({ stream }, this.#in(options)))).streams.map(fromStreamInfo);
  }

  override async deadLetters(stream: string, options: DeadLetterOptions = {}): Promise<readonly DeadLetter[]> {
    const call = this.#in(options);
    const group = options.group === undefined ? '' : checkedGroup(options.group);
    const letters: DeadLetter[] = [];
    try {
      for await (const letter of this.#calls.deadLetters({ stream: checkedStream(stream), group }, call))
        letters.push(...fromDeadLetter(letter));
    } catch (error) {
      throw explained(error);
    }
    return letters;
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    const request = this.#some(stream, options);
    if (options.offsets?.length === 0) return 0;
    return Number((await asked(this.#calls.replay(request, this.#in(options)))).replayed);
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    const request = this.#some(stream, options);
    if (options.offsets?.length === 0) return 0;
    return Number((await asked(this.#calls.drop(request, this.#in(options)))).dropped);
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#members].map((member) => ('end' in member ? member.end() : member.close())));
  }

  #follow(stream: string, options: FollowOptions): RemoteFollower {
    const { namespace } = this.#in(options);
    const follower: RemoteFollower = new RemoteFollower(this.#calls, {
      stream: checkedStream(stream),
      namespace,
      from: checkedPosition(options.from ?? 'newest'),
      signal: options.signal,
      // Later than it is added, also where the signal has aborted already.
      left: () => queueMicrotask(() => this.#members.delete(follower)),
    });
    this.#members.add(follower);
    return follower;
  }

  #some(stream: string, options: Parameters<Events['drop']>[1]) {
    this.#in(options);
    return { stream: checkedStream(stream), group: checkedGroup(options.group), offsets: [...(options.offsets ?? [])] };
  }

  /** Whose streams, of events that are open. */
  #in({ namespace }: EventsOptions): { readonly namespace: string } {
    if (this.#closed) throw closed();
    return { namespace: checkedNamespace(namespace) };
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw explained(error);
  }
}
