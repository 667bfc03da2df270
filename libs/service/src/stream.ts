import type { ConsumeOptions, DeadLetter, Delivery, Event, FollowOptions, Published, ReadOptions } from '@micro/broker';
import { MicroError } from '@micro/errors';
import { type Codec, codecOf, type ValueSchema } from './codec.js';
import { Flow, made } from './flow.js';
import type { Headers } from './headers.js';
import { events, openConsumer, openFollowing, settling } from './own-broker.js';
import { logger } from './process-platform.js';
import type { TypedSubscription } from './topic.js';

/** An event whose body has a type. */
export interface TypedEvent<T> extends Omit<Event, 'body'> {
  readonly value: T;
}

/** An event in a consumer's hands, to be settled by one of `ack`, `nack` and `reject`. */
export interface TypedDelivery<T> extends Omit<Delivery, 'event'> {
  readonly value: T;
  readonly headers: Headers;
  readonly event: TypedEvent<T>;
}

export interface ProcessEventsOptions extends Omit<ConsumeOptions, 'namespace' | 'inFlight'> {
  /** Events at a time. Default 1, which keeps their order also through redeliveries. */
  readonly concurrency?: number;
}

/** An event as a handler gets it: returning acknowledges it, throwing gives it back; or it settles it itself. */
export interface Processing<T> extends TypedDelivery<T> {
  /** Aborts when the time to come to an end is over. */
  readonly signal: AbortSignal;
}

/** An event that a group gave up on. */
export interface TypedDeadLetter<T> extends Omit<DeadLetter, 'event'> {
  readonly event: Event;
  /** Undefined where its body is no value of this type. */
  readonly value: T | undefined;
}

export interface DeadLettersOptions {
  readonly group: string;
  /** Of which events. Default: all of the group. */
  readonly offsets?: readonly bigint[];
}

/** A stream of events of the service's namespace, for events of one type: kept, in order, each at least once to each group, as Events says. */
export class Stream<T> {
  readonly name: string;
  readonly #codec: Codec<T>;

  constructor(name: string, schema?: ValueSchema<T>) {
    this.name = name;
    this.#codec = codecOf(`stream ${name}`, schema);
  }

  /** Resolves when it is kept. With an `id` that came within the last two minutes it is there already. Trace and namespace go with it. */
  async publish(value: T, options: { readonly id?: string; readonly headers?: Headers } = {}): Promise<Published> {
    return events.publish(this.name, { ...options, body: await this.#codec.encode(value) });
  }

  /** Events as they are kept now, in order; none only at the end. What is no value of this type is logged and left out. */
  async read(options: Omit<ReadOptions, 'namespace'> = {}): Promise<readonly TypedEvent<T>[]> {
    for (let from = options.from; ;) {
      const page = await events.read(this.name, { ...options, from });
      const typed = await Promise.all(page.map((event) => this.#typed(event).catch(leftOut(event))));
      const found = typed.filter((event) => event !== undefined);
      const last = page.at(-1);
      if (found.length > 0 || !last) return found;
      from = { offset: last.offset + 1n };
    }
  }

  /** Events from a position on, then those that are published. What is no value of this type is logged and left out. */
  follow(options: Omit<FollowOptions, 'namespace'> = {}): TypedSubscription<TypedEvent<T>> {
    const { signal, ...rest } = options;
    const source = openFollowing(this.name, rest);
    return new Flow({
      what: `stream ${this.name}`,
      signal,
      scope: ({ headers }) => source.scope(headers),
      open: async (platform) => made(await source.open(platform), (event) => this.#typed(event).catch(leftOut(event))),
    });
  }

  /**
   * Takes part in a group. What the body of the loop does belongs to the trace of the event. What is no value of this type goes to the dead
   * letters. Ends when the loop is left, `signal` aborts or the service stops, which lets what is not settled have the grace period.
   */
  consume(options: Omit<ConsumeOptions, 'namespace'>): TypedSubscription<TypedDelivery<T>> {
    return this.#consume(options);
  }

  /**
   * Calls `handle` for each event of a group: what returns is acknowledged, what throws is given back, for later or, the last time, to the dead
   * letters. Resolves when `signal` has aborted or the service stops, and what had begun is done.
   */
  async process(options: ProcessEventsOptions, handle: (value: T, event: Processing<T>) => unknown): Promise<void> {
    const { concurrency = 1, ...rest } = options;
    const flow = this.#consume({ ...rest, inFlight: concurrency });
    let running = 0;
    let wake: () => void = () => undefined;
    const someDone = () => new Promise<void>((resolve) => (wake = resolve));
    flow.ended.addEventListener('abort', () => wake(), { once: true });
    for (;;) {
      // One that does not heed its signal is waited for no longer than the service is.
      while (running >= concurrency && !flow.ended.aborted) await someDone();
      const result = await flow.next();
      if (result.done) break;
      running++;
      void this.#process(flow, result.value, handle).finally(() => {
        running--;
        wake();
      });
    }
    while (running > 0 && !flow.ended.aborted) await someDone();
    await flow.close();
  }

  /** What groups gave up on, by offset, then group. Default: of every group. */
  async deadLetters(options: { readonly group?: string } = {}): Promise<readonly TypedDeadLetter<T>[]> {
    const dead = await events.deadLetters(this.name, options);
    return Promise.all(
      dead.map(async (letter) => ({
        ...letter,
        value: (await this.#typed(letter.event).catch(() => undefined))?.value,
      })),
    );
  }

  /** Gives dead letters out again in their group, as if for the first time. Returns how many there were. */
  async replay({ group, offsets }: DeadLettersOptions): Promise<number> {
    return offsets?.length === 0 ? 0 : events.replay(this.name, { group, offsets });
  }

  /** Removes dead letters for good. Returns how many there were. */
  async drop({ group, offsets }: DeadLettersOptions): Promise<number> {
    return offsets?.length === 0 ? 0 : events.drop(this.name, { group, offsets });
  }

  #consume(options: Omit<ConsumeOptions, 'namespace'>): Flow<TypedDelivery<T>> {
    const { signal, ...rest } = options;
    const source = openConsumer(this.name, rest);
    return new Flow<TypedDelivery<T>>({
      what: `stream ${this.name}`,
      signal,
      holding: (delivery, over) => ({ ...delivery, ...settling(delivery, over) }),
      scope: ({ headers }) => source.scope(headers),
      open: async (platform) => made(await source.open(platform), (delivery) => this.#delivered(delivery)),
    });
  }

  async #process(
    flow: Flow<TypedDelivery<T>>,
    delivery: TypedDelivery<T>,
    handle: (value: T, event: Processing<T>) => unknown,
  ): Promise<void> {
    const release = flow.hold();
    const { event, attempt, value } = delivery;
    try {
      await flow.within(delivery, () => handle(value, { ...delivery, signal: flow.ended }));
      await delivery.ack().catch((error: unknown) => this.#lost(event, error));
    } catch (error) {
      const reason = reasonOf(error);
      logger.warn(`event ${event.offset} of stream ${this.name} is given back: ${reason}`, { attempt, error });
      await delivery.nack({ reason }).catch((failure: unknown) => this.#lost(event, failure));
    } finally {
      release();
    }
  }

  /** What could not be settled comes again. */
  #lost({ offset }: TypedEvent<T>, error: unknown): void {
    logger.warn(`event ${offset} of stream ${this.name} comes again: ${MicroError.from(error).detail}`);
  }

  async #delivered(delivery: Delivery): Promise<TypedDelivery<T> | undefined> {
    try {
      const event = await this.#typed(delivery.event);
      return { event, value: event.value, headers: event.headers, ...settling(delivery, () => undefined) };
    } catch (error) {
      const reason = reasonOf(error);
      logger.error(`event ${delivery.event.offset} of stream ${this.name} goes to the dead letters: ${reason}`);
      await delivery.reject(reason).catch(() => undefined);
      return undefined;
    }
  }

  async #typed({ body, ...event }: Event): Promise<TypedEvent<T>> {
    return { ...event, value: await this.#codec.decode(body) };
  }
}

/** Says that an event is no value of its type. */
function leftOut({ stream, offset }: Event): (error: unknown) => undefined {
  return (error) => {
    logger.error(`event ${offset} of stream ${stream} is left out: ${reasonOf(error)}`);
    return undefined;
  };
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

/**
 * A stream of events of the service's namespace. May stand at the top of a file; opened when it is first used.
 *
 * ```ts
 * const placed = stream<OrderPlaced>('orders.placed');
 * await placed.publish({ order: '42' }, { id: '42' });
 * await placed.process({ group: 'mail' }, async ({ order }) => send(order));
 * ```
 */
export function stream<T>(name: string, schema?: ValueSchema<T>): Stream<T> {
  return new Stream(name, schema);
}
