import { type Message, patience } from './broker.js';
import { encodeFrame } from './frames.js';
import type { Room } from './nats-listener.js';
import type { Listed, Processes } from './nats-processes.js';
import { type Sent, Stream, type StreamOptions, type StreamParcel } from './nats-stream.js';
import { type Member, Outlet } from './outlet.js';

export interface NatsAudienceOptions extends StreamOptions {
  readonly processes: Processes;
  readonly namespace: string;
  readonly topic: string;
  /** The way to a subscription of a queue. */
  readonly reach: (process: string, number: number) => Member['send'];
}

/** A message that is not settled. */
class Sending implements StreamParcel {
  readonly frame: Buffer;
  deadline = 0;
  inStream = false;
  isAnswered = false;
  /** Those who have it still to settle: the server, the stream, and each queue. */
  left = 1;
  readonly #ended: (error?: unknown) => void;

  /** `ended`: called once, with an error if the server does not have it. */
  constructor(frame: Buffer, ended: (error?: unknown) => void) {
    this.frame = frame;
    this.#ended = ended;
  }

  settle(): void {
    if (--this.left === 0) this.#ended();
  }

  fail(error: unknown): void {
    if (this.left <= 0) return;
    // Whoever gets it still, and settles it, ends it no more.
    this.left = -Infinity;
    this.#ended(error);
  }
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

  /**
   * Calls `ended` when everybody has the message, or has been given up on; with MicroError `unavailable` if the server does not have it. No promise:
   * several for each message were a third of its time.
   */
  send(message: Message, ended: (error?: unknown) => void): void {
    this.#open++;
    const end = (error?: unknown) => {
      this.#open--;
      ended(error);
    };
    this.#pending.push(new Sending(encodeFrame(message), end));
    if (this.#handing) return;
    this.#handing = true;
    // All that is published in one turn goes together.
    if (this.#options.processes.isComplete) void Promise.resolve().then(this.#hand);
    else void this.#options.processes.complete().then(this.#hand);
  }

  joined(process: string, { number, queue }: Listed): void {
    if (queue === undefined) this.#listens(process, number);
    else this.#joins(process, number, queue);
  }

  left(process: string, { number, queue }: Listed): void {
    if (queue !== undefined) {
      this.#queues.get(queue)?.remove(`${process}.${number}`);
      return this.#tidy();
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
    for (const outlet of this.#queues.values()) outlet.release(({ id }) => id.startsWith(`${process}.`));
  }

  /** A process says that it is there: its members of queues may have been out of reach. */
  processHere(process: string): void {
    for (const outlet of this.#queues.values()) outlet.revive(({ id }) => id.startsWith(`${process}.`));
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
    const late = this.#late();
    this.#stream.add(process);
    if (late.length > 0) this.#toStream(late);
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

  readonly #hand = (): void => {
    this.#handing = false;
    const sendings = this.#pending;
    this.#pending = [];
    const deadline = performance.now() + patience;
    for (const sending of sendings) sending.deadline = deadline;
    this.#unanswered.add(sendings);
    for (const outlet of this.#queues.values()) for (const sending of sendings) this.#toOutlet(outlet, sending);
    // Where there are queues, and nobody else is known, the stream waits for somebody to turn up.
    if (this.#stream.isHeard || this.#queues.size === 0) this.#toStream(sendings, sendings);
    else this.#flush(undefined, sendings);
  };

  /** What the server has not answered, and is not in the stream yet. */
  #late(): readonly Sending[] {
    return [...this.#unanswered].flat().filter(({ inStream }) => !inStream);
  }

  /** `unanswered`: what the server's answer is for, besides. */
  #toStream(sendings: readonly Sending[], unanswered: readonly Sending[] = []): void {
    for (const sending of sendings) {
      sending.left++;
      sending.inStream = true;
    }
    this.#flush(this.#stream.push(sendings), unanswered);
  }

  /** In the turn in which it was sent, so that it is one packet for the network. */
  #flush(sent: Sent | undefined, unanswered: readonly Sending[]): void {
    this.#options.flush().then(
      () => {
        this.#answered(unanswered);
        for (const sending of unanswered) sending.settle();
        if (sent) this.#stream.answered(sent);
      },
      (error: unknown) => {
        this.#answered(unanswered);
        for (const sending of unanswered) sending.fail(error);
        if (sent) this.#stream.failed(sent, error);
      },
    );
  }

  /** Who turns up from now on gets nothing of it. */
  #answered(sendings: readonly Sending[]): void {
    if (!this.#unanswered.delete(sendings)) return;
    for (const sending of sendings) sending.isAnswered = true;
    for (const outlet of this.#queues.values()) outlet.advance();
    this.#tidy();
  }

  /** A queue that everybody has left is kept for who turns up, so that he gets what nobody has taken, and nothing else. */
  #tidy(): void {
    if (this.#unanswered.size > 0) return;
    for (const [queue, outlet] of this.#queues) if (outlet.isEmpty && outlet.isIdle) this.#queues.delete(queue);
  }

  #toOutlet(outlet: Outlet, sending: Sending): void {
    sending.left++;
    const isOpen = () => !sending.isAnswered;
    outlet.push({ frame: sending.frame, deadline: sending.deadline, settle: once(sending), isOpen });
  }
}

/** An outlet may settle more than once. */
function once(sending: Sending): () => void {
  let settled = false;
  return () => {
    if (settled) return;
    settled = true;
    sending.settle();
  };
}
