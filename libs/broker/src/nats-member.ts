/** Messages from a publisher to one subscription of a queue, asked for and answered: `<taken> <waiting>`, or `gone`. */
import { errors, type Msg } from '@nats-io/transport-node';
import type { NatsClient } from '@micro/nats';
import { decodeFrames } from './frames.js';
import { type Lane, take } from './lane.js';
import { keyOf, Packets, payloadOf, subjects, toMessages } from './nats-packets.js';
import type { Outcome, Posted } from './outlet.js';

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
export function give(
  nats: NatsClient,
  place: { readonly from: string; readonly process: string; readonly number: number },
  frames: readonly Buffer[],
  wait: number,
): Posted {
  let cancel: () => void = () => undefined;
  const canceled = new Promise<Outcome>((resolve) => (cancel = () => resolve('unknown')));
  return { outcome: Promise.race([asked(nats, place, frames, wait), canceled]), cancel };
}

/** What is given to the subscriptions of this process. */
export class Receivers {
  readonly #receivers = new Map<number, Receiver>();
  readonly #packets = new Packets();

  add(number: number, receiver: Receiver): void {
    this.#receivers.set(number, receiver);
  }

  remove(number: number): void {
    this.#receivers.delete(number);
  }

  async take(message: Msg): Promise<void> {
    const { packet } = this.#packets.take(message.data) ?? {};
    if (!packet) return;
    const receiver = this.#receivers.get(packet.readUInt32BE(0));
    if (!receiver) return void message.respond('gone');
    const messages = decodeFrames(new Uint8Array(packet.subarray(headBytes)), receiver.topic);
    const { taken, waiting } = await take(receiver.lane, messages, Math.min(packet.readUInt32BE(4), longestWait));
    message.respond(`${taken} ${waiting}`);
  }
}

async function asked(
  nats: NatsClient,
  { from, process, number }: { readonly from: string; readonly process: string; readonly number: number },
  frames: readonly Buffer[],
  wait: number,
): Promise<Outcome> {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32BE(number, 0);
  head.writeUInt32BE(Math.ceil(wait), 4);
  const { connection } = nats;
  try {
    nats.check();
    const parts = toMessages(keyOf({ process: from, number: 0 }), [head, ...frames], payloadOf(connection.info));
    const subject = subjects.process(process, 'give');
    for (const part of parts.slice(0, -1)) connection.publish(subject, part);
    const answer = await connection.request(subject, parts.at(-1), { timeout: wait + answerTimeout });
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
