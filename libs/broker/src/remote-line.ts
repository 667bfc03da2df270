import type { Message } from './broker.js';

interface Waiting {
  readonly message: Message;
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Bytes of what is sent at once, unless one message alone is more. */
const batchBytes = 1024 * 1024;
const mostMessages = 1_000;

/** The way of one topic's messages to the broker: what gathers while some are on their way goes together, after them, so that nothing overtakes. */
export class RemoteLine {
  readonly #send: (messages: readonly Message[]) => Promise<unknown>;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(send: (messages: readonly Message[]) => Promise<unknown>) {
    this.#send = send;
  }

  /** Resolves when nothing waits. */
  get idle(): Promise<void> | undefined {
    return this.#running;
  }

  push(message: Message): Promise<void> {
    const bytes = message.body.length + 1_000;
    const sent = new Promise<void>((resolve, reject) => this.#waiting.push({ message, bytes, resolve, reject }));
    this.#running ??= this.#run();
    return sent;
  }

  async #run(): Promise<void> {
    // What is published together goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#batch();
      try {
        await this.#send(batch.map(({ message }) => message));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
  }

  #batch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && (bytes > batchBytes || count >= mostMessages)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
