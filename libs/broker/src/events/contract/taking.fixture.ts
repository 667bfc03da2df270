import { expect } from 'vitest';
import type { Consumer, Delivery, Event } from '../events.js';

/** For `expect.poll`. */
export const soon = { timeout: 15_000, interval: 10 } as const;

export function text({ body }: Pick<Event, 'body'>): string {
  return Buffer.from(body).toString();
}

/** The next of something that flows, which must have one. */
export async function next<T>(iterator: AsyncIterator<T>): Promise<T> {
  const { value, done } = await iterator.next();
  expect(done, 'it has ended').not.toBe(true);
  return value as T;
}

/** The next so many. */
export async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  const taken: T[] = [];
  while (taken.length < count) taken.push(await next(iterator));
  return taken;
}

/** The next delivery, with its body as text. */
export async function given(consumer: Consumer): Promise<Delivery & { readonly text: string }> {
  const delivery = await next(consumer[Symbol.asyncIterator]());
  return { ...delivery, text: text(delivery.event) };
}

/** Takes whatever comes, as long as it comes. */
export function collecting<T>(source: AsyncIterable<T>): {
  readonly items: readonly T[];
  readonly ended: Promise<void>;
} {
  const items: T[] = [];
  const read = async () => {
    for await (const item of source) items.push(item);
  };
  const ended = read();
  ended.catch(() => undefined);
  return { items, ended };
}

/** Acknowledges whatever comes. */
export function working(consumer: Consumer): { readonly texts: readonly string[]; readonly ended: Promise<void> } {
  const texts: string[] = [];
  const work = async () => {
    for await (const { event, ack } of consumer) {
      texts.push(text(event));
      await ack();
    }
  };
  const ended = work();
  ended.catch(() => undefined);
  return { texts, ended };
}

export function numbered(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => `${index + from}`);
}
