/** Messages from a publisher to one subscription of a queue, asked for and answered: `<taken> <waiting>`, or `gone`. */
import { errors, type Msg } from '@nats-io/transport-node';
import type { NatsClient } from '@micro/nats';
import { decodeFrames } from './frames.js';
import { type Answer, type Lane, take } from './lane.js';
import { keyOf, type Owner, ownerOf, Packets, payloadOf, subjects, toMessages } from './nats-packets.js';
import type { Outcome, Posted } from './outlet.js';

/** The way to a subscription. */
export interface Place {
  /** Who asks, and over which of his connections. */
  readonly from: Owner;
  readonly process: string;
  readonly number: number;
}

/** Where the messages for a subscription go. */
export interface Receiver {
  readonly topic: string;
  readonly lane: Lane;
}

/** Milliseconds that an answer has beyond those that the messages may wait. */
const answerTimeout = 5_000;
/** Milliseconds that a request may ask to wait. */
const longestWait = 10_000;
/** Bytes of a request's number of the subscription and wait. */
const headBytes = 8;

/** Asks a subscription of a process to take frames. */
export function give(nats: NatsClient, place: Place, frames: readonly Buffer[], wait: number): Posted {
  let cancel: () => void = () => undefined;
  const canceled = new Promise<Outcome>((resolve) => (cancel = () => resolve('unknown')));
  return { outcome: Promise.race([asked(nats, place, frames, wait), canceled]), cancel };
}

/** What is given to the subscriptions of this process. */
export class Receivers {
  readonly #receivers = new Map<number, Receiver>();
  readonly #packets = new Packets();
  /** The last connection of each process that has asked. */
  readonly #connections = new Map<string, number>();
  /** What is being taken, by its publisher and subscription. */
  readonly #taking = new Map<string, Promise<Answer>>();

  add(number: number, receiver: Receiver): void {
    this.#receivers.set(number, receiver);
  }

  remove(number: number): void {
    this.#receivers.delete(number);
  }

  /** A process that publishes no more. */
  forget(process: string): void {
    this.#connections.delete(process);
  }

  async take(message: Msg): Promise<void> {
    const joined = this.#packets.take(message.data);
    if (!joined) return;
    const { owner, packet } = joined;
    const { process, number } = ownerOf(owner);
    // Over a connection that it has given up since: a server had kept that, and it would come behind what follows.
    if (number < (this.#connections.get(process) ?? 0)) return;
    this.#connections.set(process, number);
    const subscription = packet.readUInt32BE(0);
    const receiver = this.#receivers.get(subscription);
    if (!receiver) return void message.respond('gone');
    const messages = decodeFrames(new Uint8Array(packet.subarray(headBytes)), receiver.topic);
    const wait = Math.min(packet.readUInt32BE(4), longestWait);
    // He may have given up what is still waiting here: nothing comes in between.
    const key = `${process} ${subscription}`;
    const taking = (this.#taking.get(key) ?? Promise.resolve()).then(() => take(receiver.lane, messages, wait));
    this.#taking.set(key, taking);
    const { taken, waiting } = await taking;
    if (this.#taking.get(key) === taking) this.#taking.delete(key);
    message.respond(`${taken} ${waiting}`);
  }
}

async function asked(
  nats: NatsClient,
  { from, process, number }: Place,
  frames: readonly Buffer[],
  wait: number,
): Promise<Outcome> {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32BE(number, 0);
  head.writeUInt32BE(Math.ceil(wait), 4);
  const { connection } = nats;
  try {
    nats.check();
    const parts = toMessages(keyOf(from), [head, ...frames], payloadOf(connection.info));
    const subject = subjects.process(process, 'give');
    for (const part of parts.slice(0, -1)) connection.publish(subject, part);
    const answer = await nats.whileConnected(
      connection.request(subject, parts.at(-1), { timeout: wait + answerTimeout }),
    );
    return outcomeOf(answer.string());
  } catch (error) {
    const isNobody = error instanceof errors.RequestError && error.cause instanceof errors.NoRespondersError;
    return isNobody || error instanceof errors.NoRespondersError ? 'gone' : 'unknown';
  }
}

function outcomeOf(text: string): Outcome {
  const [, taken, waiting] = /^(\d{1,9}) (\d{1,9})$/.exec(text) ?? [];
  return taken === undefined ? 'gone' : { taken: Number(taken), waiting: Number(waiting) };
}
