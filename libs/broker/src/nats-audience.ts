import { type Message, patience } from './broker.js';
import { encodeFrame } from './frames.js';
import type { Room } from './nats-listener.js';
import type { Listed, Processes } from './nats-processes.js';
import { Stream, type StreamOptions } from './nats-stream.js';
import { type Member, Outlet } from './outlet.js';

export interface NatsAudienceOptions extends StreamOptions {
  readonly processes: Processes;
  readonly namespace: string;
  readonly topic: string;
  /** The way to a subscription of a queue. */
  readonly reach: (process: string, number: number) => Member['send'];
}

/** A message that is not settled. */
interface Sending {
  readonly frame: Buffer;
  deadline: number;
  /** Those who have it still to settle: the server, the stream, and each queue. */
  left: number;
  inStream: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The subscribers of a topic as a publisher sees them. Everybody without a queue hears his stream; each queue has an outlet, which gives one of its
 * members each message.
 *
 * What the server has said before its answer to a message has been said before that message was published, or at the same time: so who turns up until
 * then gets it, too, and nobody is missed whose subscribing had resolved.
 */
export class NatsAudience {
  readonly #options: NatsAudienceOptions;
  readonly #stream: Stream;
  readonly #queues = new Map<string, Outlet>();
  /** Subscriptions that get everything, by their process. */
  readonly #ears = new Map<string, Set<number>>();
  #pending: Sending[] = [];
  /** What the server has not answered yet, in its order. */
  readonly #unanswered = new Set<readonly Sending[]>();
  #handing = false;
  /** Messages that are not settled, and their bytes. */
  #open = 0;

  constructor(options: NatsAudienceOptions) {
    this.#options = options;
    this.#stream = new Stream(options);
    for (const { process, subscription } of options.processes.of(options.namespace))
      if (subscription.topic === options.topic) this.joined(process, subscription);
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Of the stream, as its listeners name it. */
  get number(): number {
    return this.#stream.number;
  }

  /** Resolves when everybody has the message, or has been given up on. MicroError `unavailable` if the server does not have it. */
  send(message: Message): Promise<void> {
    this.#open++;
    const frame = encodeFrame(message);
    const sent = new Promise<void>((resolve, reject) => {
      this.#pending.push({ frame, deadline: 0, left: 1, inStream: false, resolve, reject });
    });
    if (!this.#handing) void this.#hand();
    return sent.finally(() => this.#open--);
  }

  joined(process: string, { number, queue }: Listed): void {
    if (queue === undefined) this.#listens(process, number);
    else this.#joins(process, number, queue);
  }

  left(process: string, { number, queue }: Listed): void {
    if (queue !== undefined) {
      const outlet = this.#queues.get(queue);
      outlet?.remove(`${process}.${number}`);
      if (outlet?.isEmpty) this.#queues.delete(queue);
      return;
    }
    const ears = this.#ears.get(process);
    ears?.delete(number);
    if (ears?.size !== 0) return;
    this.#ears.delete(process);
    this.#stream.remove(process);
  }

  told(process: string, room: Room): void {
    this.#stream.told(process, room);
  }

  /** A process has connected again. */
  processAgain(process: string): void {
    if (this.#stream.has(process)) this.#stream.add(process);
  }

  /** This process has connected again. */
  again(): void {
    this.#stream.again();
  }

  close(): void {
    this.#stream.close();
  }

  #listens(process: string, number: number): void {
    const ears = this.#ears.get(process) ?? new Set();
    this.#ears.set(process, ears.add(number));
    if (ears.size > 1) return;
    const late = [...this.#unanswered].flat().filter(({ inStream }) => !inStream);
    this.#stream.add(process);
    if (late.length > 0) this.#toStream(late)?.catch(() => undefined);
  }

  #joins(process: string, number: number, queue: string): void {
    const known = this.#queues.get(queue);
    const outlet = known ?? new Outlet();
    this.#queues.set(queue, outlet);
    outlet.add({
      id: `${process}.${number}`,
      send: this.#options.reach(process, number),
      leave: () => undefined,
    });
    if (!known) for (const sending of [...this.#unanswered].flat()) this.#toOutlet(outlet, sending);
  }

  async #hand(): Promise<void> {
    this.#handing = true;
    // All that is published in one turn goes together.
    await (this.#options.processes.isComplete ? undefined : this.#options.processes.complete());
    this.#handing = false;
    const sendings = this.#pending;
    this.#pending = [];
    const deadline = performance.now() + patience;
    for (const sending of sendings) sending.deadline = deadline;
    this.#unanswered.add(sendings);
    for (const outlet of this.#queues.values()) for (const sending of sendings) this.#toOutlet(outlet, sending);
    // Where there are queues, and nobody else is known, the stream waits for somebody to turn up.
    const isStreamed = this.#stream.isHeard || this.#queues.size === 0;
    try {
      await ((isStreamed && this.#toStream(sendings)) || this.#options.flush());
      for (const sending of sendings) settle(sending);
    } catch (error) {
      for (const { reject } of sendings) reject(error);
    } finally {
      this.#unanswered.delete(sendings);
    }
  }

  #toStream(sendings: readonly Sending[]): Promise<void> | undefined {
    const parcels = sendings.map((sending) => {
      sending.left++;
      sending.inStream = true;
      return { frame: sending.frame, deadline: sending.deadline, settle: once(sending), fail: sending.reject };
    });
    return this.#stream.push(parcels);
  }

  #toOutlet(outlet: Outlet, sending: Sending): void {
    sending.left++;
    outlet.push({ frame: sending.frame, deadline: sending.deadline, settle: once(sending) });
  }
}

function settle(sending: Sending): void {
  if (--sending.left === 0) sending.resolve();
}

function once(sending: Sending): () => void {
  let settled = false;
  return () => {
    if (settled) return;
    settled = true;
    settle(sending);
  };
}
