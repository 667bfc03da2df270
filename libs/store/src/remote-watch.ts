import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { outsideCalls } from '@micro/rpc';
import { explained } from './remote-errors.js';
import type { StoreEvent } from './store.js';

/** Waits between two attempts to watch, in milliseconds. */
const retry = { first: 100, most: 2_000 } as const;
/** Codes that asking again does not change. */
const final: ReadonlySet<string> = new Set([
  'invalid_argument',
  'permission_denied',
  'unauthenticated',
  'unimplemented',
]);

/** Events over one connection: what is there, `synced`, what changes. */
export type Connect = (signal: AbortSignal) => AsyncIterable<StoreEvent>;

/**
 * One watch over as many connections as it takes. Of a connection that begins anew only what differs from what was told before is told. Events are
 * taken off the connection as they are asked for, so that it is the store that merges the changes of a slow consumer.
 */
export class RemoteWatch implements AsyncIterableIterator<StoreEvent> {
  readonly #stop = new AbortController();
  readonly #events: AsyncGenerator<StoreEvent>;
  readonly #ended: () => void;
  readonly #onAbort = () => this.end();
  readonly #signal: AbortSignal | undefined;

  /** `ended` is called once. */
  constructor(connect: Connect, signal: AbortSignal | undefined, ended: () => void) {
    this.#events = follow(connect, this.#stop.signal);
    this.#signal = signal;
    this.#ended = ended;
    // Nobody has been told of it yet who would have to forget it.
    if (signal?.aborted) this.#stop.abort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async next(): Promise<IteratorResult<StoreEvent>> {
    try {
      const next = await outsideCalls(() => this.#events.next());
      if (!next.done && !this.#stop.signal.aborted) return next;
    } catch (error) {
      this.end();
      throw explained(error);
    }
    this.end();
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<StoreEvent>> {
    this.end();
    return { value: undefined, done: true };
  }

  end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#ended();
    // Of one that waits: it hears of the end by the signal.
    void this.#events.return(undefined).catch(() => undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function* follow(connect: Connect, stop: AbortSignal): AsyncGenerator<StoreEvent> {
  const view = new View();
  for (let failures = 0; !stop.aborted; failures++) {
    try {
      view.begin();
      for await (const event of connect(stop)) {
        if (event.type === 'synced') failures = 0;
        yield* view.take(event);
      }
    } catch (error) {
      if (stop.aborted) return;
      if (final.has(MicroError.from(error).code)) throw error;
    }
    const wait = Math.min(retry.first * 2 ** failures, retry.most) * (0.75 + Math.random() / 2);
    await sleep(wait, undefined, { signal: stop }).catch(() => undefined);
  }
}

/** What the consumer was told. */
class View {
  readonly #told = new Map<string, bigint>();
  /** Keys that have come since the connection began; undefined after `synced`. */
  #arriving: Set<string> | undefined;
  #synced = false;

  begin(): void {
    this.#arriving = new Set();
  }

  *take(event: StoreEvent): Generator<StoreEvent> {
    if (event.type === 'written') {
      const { key, version } = event.record;
      this.#arriving?.add(key);
      if (this.#told.get(key) === version) return;
      this.#told.set(key, version);
      yield event;
    } else if (event.type === 'deleted') {
      this.#arriving?.delete(event.key);
      if (this.#told.delete(event.key)) yield event;
    } else {
      yield* this.#complete();
    }
  }

  *#complete(): Generator<StoreEvent> {
    const there = this.#arriving;
    this.#arriving = undefined;
    for (const key of [...this.#told.keys()]) {
      if (there?.has(key)) continue;
      this.#told.delete(key);
      yield { type: 'deleted', key };
    }
    if (!this.#synced) yield { type: 'synced' };
    this.#synced = true;
  }
}
