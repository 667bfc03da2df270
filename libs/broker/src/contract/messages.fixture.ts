import type { Message, Subscription } from '../broker.js';

export const soon = { timeout: 10_000, interval: 5 };

/** A subscription that is read to its end, and what came. */
export interface Listening {
  readonly subscription: Subscription;
  readonly messages: readonly Message[];
  /** The bodies. */
  readonly texts: readonly string[];
  readonly done: Promise<void>;
}

/** Reads a subscription to its end and keeps what came, also as short texts. */
export function listening(subscription: Subscription): Listening {
  const messages: Message[] = [];
  const texts: string[] = [];
  const read = async () => {
    for await (const message of subscription) {
      messages.push(message);
      texts.push(text(message));
    }
  };
  return { messages, texts, done: read(), subscription };
}

export async function next(subscription: Subscription): Promise<Message> {
  const { value } = (await subscription[Symbol.asyncIterator]().next()) as { value: Message };
  return value;
}

export function bytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

/** What is written in a body, without what pads it. */
export function text({ body }: Message): string {
  const end = body.indexOf(0);
  return new TextDecoder().decode(end < 0 ? body : body.subarray(0, end));
}

export function padded(body: string, length: number): Uint8Array {
  const all = new Uint8Array(length);
  all.set(bytes(body));
  return all;
}

export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}

export function sorted(texts: readonly string[]): string[] {
  return [...texts].sort((one, other) => Number(one) - Number(other));
}
