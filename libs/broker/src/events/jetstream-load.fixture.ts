import { setTimeout as turn } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { vi } from 'vitest';
import type { Events } from './events.js';

/** A publisher, a follower and a group on one stream, which go on through whatever happens to the servers. */
export interface Load extends AsyncDisposable {
  /** Offsets of what was published, by number, as the publisher was told. */
  readonly kept: ReadonlyMap<number, bigint>;
  /** Failures that the publisher was told of. */
  readonly failures: readonly MicroError[];
  /** What came to the group, in that order, as numbers: redeliveries too. */
  readonly consumed: readonly number[];
  /** Of that, what was said to come for the first time. */
  readonly fresh: readonly number[];
  readonly followed: readonly number[];
  /** Waits until group and follower have begun, and for so many more to be kept. */
  more(count: number): Promise<void>;
  /** Ends the publisher, and waits until follower and group have what is kept. */
  finish(): Promise<void>;
}

/** Events that the publisher may be ahead of the group: what was published is to be consumed in time. */
const mostAhead = 200;
/** Milliseconds that it waits for the group before one more. */
const longestPause = 1_000;
const soon = { timeout: 60_000, interval: 20 } as const;

export function underLoad(events: Events, options: { readonly namespace: string; readonly inFlight?: number }): Load {
  const { namespace } = options;
  const kept = new Map<number, bigint>();
  const failures: MicroError[] = [];
  const consumed: number[] = [];
  const fresh: number[] = [];
  const followed: number[] = [];
  const got = new Set<number>();
  const stop = new AbortController();
  let isPublishing = true;

  const publish = async () => {
    for (let number = 1; isPublishing;) {
      try {
        const end = performance.now() + longestPause;
        while (isPublishing && kept.size > got.size + mostAhead && performance.now() < end) await turn(10);
        const { offset } = await events.publish(
          'orders',
          { id: `order-${number}`, body: Buffer.from(`${number}`) },
          { namespace },
        );
        kept.set(number++, offset);
      } catch (error) {
        failures.push(MicroError.from(error));
      }
    }
  };
  const consume = async () => {
    const consumer = await events.consume('orders', {
      group: 'g',
      from: 'oldest',
      ackWait: 5_000,
      maxDeliveries: 100,
      signal: stop.signal,
      ...options,
    });
    for await (const { event, attempt, ack } of consumer) {
      const number = Number(Buffer.from(event.body).toString());
      consumed.push(number);
      if (attempt === 1) fresh.push(number);
      got.add(number);
      // One that cannot be acknowledged comes again.
      await ack().catch(() => undefined);
    }
  };
  const follow = async () => {
    for await (const { body } of events.follow('orders', { from: 'oldest', namespace, signal: stop.signal }))
      followed.push(Number(Buffer.from(body).toString()));
  };
  const publishing = publish();
  const reading = Promise.all([consume(), follow()]);
  let ended: Error | undefined;
  reading.catch((error: unknown) => (ended = new Error('group or follower has ended', { cause: error })));
  /** Neither group nor follower may end before it is true. */
  const meanwhile = (isTrue: () => boolean | Promise<boolean>) =>
    vi.waitUntil(() => {
      if (ended) throw ended;
      return isTrue();
    }, soon);
  const end = async () => {
    isPublishing = false;
    await publishing;
  };
  const more = async (count: number) => {
    await meanwhile(() => consumed.length > 0 && followed.length > 0);
    const wanted = kept.size + count;
    await meanwhile(() => kept.size >= wanted);
  };
  return {
    kept,
    failures,
    consumed,
    fresh,
    followed,
    more,
    finish: async () => {
      await end();
      const { size } = kept;
      await meanwhile(() => followed.length >= size);
      const isSettled = async () => {
        const [info] = await events.streams({ namespace }).catch(() => []);
        return info?.groups[0]?.pending === 0;
      };
      await meanwhile(async () => got.size >= size && (await isSettled()));
    },
    [Symbol.asyncDispose]: async () => {
      await end();
      stop.abort();
      await reading.catch(() => undefined);
    },
  };
}

/** What came first of each, in the order in which it came. */
export function firsts(numbers: readonly number[]): number[] {
  return [...new Set(numbers)];
}
