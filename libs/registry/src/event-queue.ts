import { versionKey } from './content.js';
import type { RegistryEvent } from './registry.js';

/** Events that may wait for a slow consumer before those of one service version are merged. */
const longestBacklog = 10_000;

type Change = Exclude<RegistryEvent, { readonly type: 'synced' }>;

/**
 * A watch as its consumer sees it. Events wait here in order; of a consumer that falls far behind, several changes of one service version
 * become the one change that leads to the same end, so that a stuck consumer costs bounded memory and still ends up with the truth.
 */
export class EventQueue implements AsyncIterableIterator<RegistryEvent> {
  #events: RegistryEvent[] = [];
  readonly #waiting: { resolve(result: IteratorResult<RegistryEvent>): void; reject(error: unknown): void }[] = [];
  #ended = false;
  #error: unknown;
  readonly #onEnd = new Set<() => void>();

  constructor(signal?: AbortSignal) {
    if (!signal) return;
    if (signal.aborted) {
      this.end();
      return;
    }
    const end = () => this.end();
    signal.addEventListener('abort', end, { once: true });
    this.onEnd(() => signal.removeEventListener('abort', end));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Called once, when nobody wants events any more. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#onEnd.add(listener);
  }

  push(event: RegistryEvent): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting) return waiting.resolve({ value: event, done: false });
    this.#events.push(event);
    if (this.#events.length > longestBacklog && this.#events.length % longestBacklog === 1)
      this.#events = merged(this.#events);
  }

  /** Ends the watch; with an error, the consumer's next read throws it. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events = [];
    for (const listener of this.#onEnd) listener();
    this.#onEnd.clear();
    const [first, ...others] = this.#waiting.splice(0);
    if (error === undefined) first?.resolve({ value: undefined, done: true });
    else if (first) first.reject(error);
    else this.#error = error;
    for (const waiting of others) waiting.resolve({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<RegistryEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error as Error);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<RegistryEvent>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The open watches of one registry, which end with it. */
export class Watches {
  readonly #queues = new Set<EventQueue>();
  #closed = false;

  /** A watch that `begin` will feed. What `begin` throws is what the consumer's first read throws. */
  open(signal: AbortSignal | undefined, begin: (queue: EventQueue) => void | Promise<void>): EventQueue {
    const queue = new EventQueue(signal);
    if (this.#closed) queue.end();
    this.#queues.add(queue);
    queue.onEnd(() => this.#queues.delete(queue));
    void (async () => begin(queue))().catch((error: unknown) => queue.end(error));
    return queue;
  }

  close(): void {
    this.#closed = true;
    for (const queue of [...this.#queues]) queue.end();
  }
}

/** The same end by fewer steps; `synced` stays before the changes that followed it. */
export function merged(events: readonly RegistryEvent[]): RegistryEvent[] {
  const synced = events.findIndex(({ type }) => type === 'synced');
  if (synced >= 0) return [...merged(events.slice(0, synced)), { type: 'synced' }, ...merged(events.slice(synced + 1))];
  const last = new Map<string, Change>();
  for (const event of events as Change[]) {
    const key = versionKey(event.service);
    const earlier = last.get(key);
    last.delete(key);
    const type = earlier ? netChange(earlier.type, event.type) : event.type;
    if (type) last.set(key, { type, service: event.service });
  }
  return [...last.values()];
}

function netChange(first: Change['type'], then: Change['type']): Change['type'] | undefined {
  if (first === 'created') return then === 'deleted' ? undefined : 'created';
  if (first === 'deleted') return 'updated';
  return then;
}
