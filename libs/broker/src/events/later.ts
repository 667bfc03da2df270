import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import { ownMessage } from '../own-copies.js';
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
} from './events.js';

/** Events that are opened when they are first used. What could not be opened is tried again with the next call. */
export class LaterEvents extends Events {
  readonly #open: () => Promise<Events>;
  #opening: Promise<Events> | undefined;
  #closed = false;

  constructor(open: () => Promise<Events>) {
    super();
    this.#open = open;
  }

  override async publish(stream: string, event: NewEvent, options?: EventsOptions): Promise<Published> {
    const own = ownMessage(event);
    return (await this.#events()).publish(stream, own, options);
  }

  override async read(stream: string, options?: ReadOptions): Promise<readonly Event[]> {
    return (await this.#events()).read(stream, options);
  }

  /** Begun by the first read. No generator: one that waits for the next event could not be ended. */
  override follow(stream: string, options?: FollowOptions): AsyncIterable<Event> {
    return {
      [Symbol.asyncIterator]: () => {
        let begun: Promise<AsyncIterator<Event>> | undefined;
        const begin = async () => (await this.#events()).follow(stream, options)[Symbol.asyncIterator]();
        return {
          next: () => (begun ??= begin()).then((events) => events.next()),
          return: async () => {
            const events = await begun?.catch(() => undefined);
            begun ??= Promise.resolve(nothing);
            await events?.return?.();
            return { value: undefined, done: true };
          },
        };
      },
    };
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    return (await this.#events()).consume(stream, options);
  }

  override async streams(options?: EventsOptions): Promise<readonly StreamInfo[]> {
    return (await this.#events()).streams(options);
  }

  override async deadLetters(stream: string, options?: DeadLetterOptions): Promise<readonly DeadLetter[]> {
    return (await this.#events()).deadLetters(stream, options);
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    return (await this.#events()).replay(stream, options);
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    return (await this.#events()).drop(stream, options);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const events = await this.#opening?.catch(() => undefined);
    await events?.close();
  }

  #events(): Promise<Events> {
    if (this.#closed)
      return Promise.reject(new MicroError('unavailable', 'these events are closed: open others', { id: 'broker' }));
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(this.#open);
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }
}

const nothing: AsyncIterator<Event> = { next: () => Promise.resolve({ value: undefined, done: true }) };
