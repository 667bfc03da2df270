import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { eventsProto } from '@micro/proto';
import { type ClientOf, outsideCalls } from '@micro/rpc';
import type { Consumer, Delivery } from './events.js';
import { ConsumerLine, type Settle } from './remote-consumer-line.js';
import { explained, isFinal, retryWait, silent } from './remote-errors.js';
import { checkedDelay, shortened } from './validation.js';

interface Reader {
  resolve(result: IteratorResult<Delivery>): void;
  reject(error: unknown): void;
}

/** Milliseconds in which events that can be reached let a consumer into its group. */
const answerTimeout = 5_000;
/** Milliseconds that the end of a consumer waits for events that do not answer. */
const closeTimeout = 1_000;

const { ACK, NACK, REJECT, EXTEND } = eventsProto.ConsumeRequest_Settle_Outcome;

/** Takes part in a group over as many connections as that takes. What came over one that is lost has been given back by its end. */
export class RemoteConsumer implements Consumer, AsyncIterator<Delivery> {
  readonly #calls: ClientOf<typeof eventsProto.Events>;
  readonly #join: Partial<eventsProto.ConsumeRequest_Join>;
  readonly #namespace: string;
  readonly #signal: AbortSignal | undefined;
  readonly #left: () => void;
  readonly #stop = new AbortController();
  readonly #abort = () => void this.close();
  readonly #readers: Reader[] = [];
  #line: ConsumerLine | undefined;
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    calls: ClientOf<typeof eventsProto.Events>,
    options: {
      readonly join: Partial<eventsProto.ConsumeRequest_Join>;
      readonly namespace: string;
      readonly signal: AbortSignal | undefined;
      /** Called once, when it takes part no more. */
      readonly left: () => void;
    },
  ) {
    this.#calls = calls;
    this.#join = options.join;
    this.#namespace = options.namespace;
    this.#left = options.left;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    if (this.#signal?.aborted) void this.close();
  }

  /** Resolves when the consumer is in the group. */
  async begin(): Promise<void> {
    if (this.#closed) return;
    let timer: NodeJS.Timeout | undefined;
    const begun = new Promise<void>((resolve, reject) => {
      this.#running = outsideCalls(() => this.#run({ joined: resolve, failed: reject }));
      void this.#running.then(resolve);
      timer = setTimeout(() => reject(silent(answerTimeout)), answerTimeout);
    });
    try {
      await begun;
    } catch (error) {
      void this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  next(): Promise<IteratorResult<Delivery>> {
    if (this.#closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#line?.ask(this.#readers.length);
    });
  }

  async return(): Promise<IteratorResult<Delivery>> {
    await this.close();
    return { value: undefined, done: true };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    for (const reader of this.#readers.splice(0)) reader.resolve({ value: undefined, done: true });
    // The other side ends when it holds nothing of ours any longer.
    if (this.#line) this.#line.end();
    else this.#stop.abort();
    const timer = setTimeout(() => this.#stop.abort(), closeTimeout);
    await this.#running;
    clearTimeout(timer);
    this.#left();
  }

  /** The first failure is the caller's, later ones are waited out. */
  async #run(first: { joined(): void; failed(error: unknown): void }): Promise<void> {
    let hasJoined = false;
    let failures = 0;
    while (!this.#closed) {
      const line = new ConsumerLine((delivery) => this.#give(line, delivery));
      try {
        await line.run(this.#call(line), () => {
          hasJoined = true;
          failures = 0;
          this.#line = line;
          if (this.#closed) return line.end();
          line.ask(this.#readers.length);
          first.joined();
        });
      } catch (error) {
        if (this.#closed) return;
        if (!hasJoined) return first.failed(explained(error));
        if (isFinal(error)) return this.#fail(explained(error));
      } finally {
        this.#line = undefined;
      }
      if (this.#closed) return;
      await sleep(retryWait(failures++), undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #call(line: ConsumerLine): AsyncIterable<eventsProto.ConsumeResponse> {
    const options = { namespace: this.#namespace, signal: this.#stop.signal, timeout: Infinity };
    line.outbox.push({ join: this.#join });
    return this.#calls.consume(line.outbox, options);
  }

  #fail(error: MicroError): void {
    for (const reader of this.#readers.splice(0)) reader.reject(error);
    // What runs here is awaited there.
    queueMicrotask(() => void this.close());
  }

  #give(
    line: ConsumerLine,
    {
      delivery: number,
      event,
      attempt,
    }: Omit<Delivery, 'ack' | 'nack' | 'reject' | 'extend'> & { readonly delivery: bigint },
  ): void {
    let settled: Promise<void> | undefined;
    const settle = (settlement: Settle): Promise<void> => {
      if (settled) return Promise.resolve();
      const settling = line.settle(event.offset, { delivery: number, ...settlement });
      settled = settling;
      settling.catch((error: unknown) => {
        // It could not be kept: that may be tried again.
        if (MicroError.from(error).code !== 'aborted') settled = undefined;
      });
      return settling;
    };
    const delivery: Delivery = {
      event,
      attempt,
      ack: () => settle({ outcome: ACK }),
      nack: async ({ delay, reason = '' } = {}) => {
        const delayMs = checkedDelay(delay);
        await settle({
          outcome: NACK,
          reason: shortened(reason),
          delayMs: delayMs === undefined ? undefined : BigInt(delayMs),
        });
      },
      reject: (reason = '') => settle({ outcome: REJECT, reason: shortened(reason) }),
      extend: async () => {
        if (!settled) await line.settle(event.offset, { delivery: number, outcome: EXTEND });
      },
    };
    // Nobody waits only when this consumer closes: it is given back there.
    this.#readers.shift()?.resolve({ value: delivery, done: false });
  }
}
