import { setTimeout as sleep } from 'node:timers/promises';
import type { eventsProto } from '@micro/proto';
import { type ClientOf, type Metadata, outsideCalls } from '@micro/rpc';
import type { Event, Position } from './events.js';
import { asAsked, fromEvent, fromHeader, toPosition } from './messages.js';
import { explained, isFinal, retryWait } from './remote-errors.js';

/** Follows over as many connections as that takes, each from where the last one was. */
export class RemoteFollower implements AsyncIterableIterator<Event> {
  readonly #calls: ClientOf<typeof eventsProto.Events>;
  readonly #stream: string;
  readonly #namespace: string;
  readonly #signal: AbortSignal | undefined;
  readonly #left: () => void;
  readonly #stop = new AbortController();
  readonly #end = () => this.end();
  #position: Position;
  #events: AsyncIterator<eventsProto.Event> | undefined;
  #wasInForce = false;
  #failures = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    calls: ClientOf<typeof eventsProto.Events>,
    options: {
      readonly stream: string;
      readonly namespace: string;
      readonly from: Position;
      readonly signal: AbortSignal | undefined;
      /** Called once, when it follows no more. */
      readonly left: () => void;
    },
  ) {
    this.#calls = calls;
    this.#stream = options.stream;
    this.#namespace = options.namespace;
    this.#position = options.from;
    this.#left = options.left;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#end, { once: true });
    if (this.#signal?.aborted) this.end();
  }

  end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#signal?.removeEventListener('abort', this.#end);
    this.#left();
  }

  next(): Promise<IteratorResult<Event>> {
    // One after the other, so that each event goes to one of the calls.
    const taken = this.#turn.then(() => this.#take());
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async return(): Promise<IteratorResult<Event>> {
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #take(): Promise<IteratorResult<Event>> {
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      try {
        this.#events ??= outsideCalls(() => this.#open());
        const { value: event, done } = await this.#events.next();
        if (stop.aborted) break;
        if (!done) {
          this.#inForce();
          this.#position = { offset: event.offset + 1n };
          return { value: fromEvent(event), done: false };
        }
      } catch (error) {
        if (stop.aborted) break;
        if (!this.#wasInForce || isFinal(error)) {
          this.end();
          throw explained(error);
        }
      }
      this.#events = undefined;
      await sleep(retryWait(this.#failures++), undefined, { signal: stop }).catch(() => undefined);
    }
    return { value: undefined, done: true };
  }

  #open(): AsyncIterator<eventsProto.Event> {
    const onHeaders = (headers: Metadata) => {
      const offset = headers.get(fromHeader);
      // The end of the stream is where it was the first time.
      if (offset === undefined) return;
      if (offset !== asAsked) this.#position = { offset: BigInt(offset) };
      this.#inForce();
    };
    const request = { stream: this.#stream, from: toPosition(this.#position) };
    const options = { namespace: this.#namespace, signal: this.#stop.signal, timeout: Infinity, onHeaders };
    return this.#calls.follow(request, options)[Symbol.asyncIterator]();
  }

  #inForce(): void {
    this.#wasInForce = true;
    this.#failures = 0;
  }
}
