import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import type { Delivery, Event } from './events.js';
import type { Ledger, Lease } from './ledger.js';
import { LocalConsumer } from './local-consumer.js';
import { checkedTerms } from './validation.js';

function lease(offset: number): Lease {
  const body = new Uint8Array();
  const event: Event = { stream: 'orders', offset: BigInt(offset), id: `${offset}`, body, headers: {}, publishedAt: 0 };
  return { event, attempt: 1, token: offset, replayed: false };
}

/** Gives out one after the other; settles what it is told to. */
function ledger(over: Partial<Ledger> = {}): Ledger & { readonly released: number[] } {
  let last = 0;
  const released: number[] = [];
  return {
    released,
    claim: () => lease(++last),
    settle: async () => true,
    release: async (leases) => {
      released.push(...leases.map(({ token }) => token));
    },
    ...over,
  };
}

function consumer(of: Ledger, options: { readonly inFlight?: number; readonly signal?: AbortSignal } = {}) {
  const { inFlight, signal } = options;
  const terms = checkedTerms({ group: 'g', ackWait: 100, inFlight });
  return new LocalConsumer({ ledger: of, terms, signal, left: () => undefined });
}

async function given(from: LocalConsumer): Promise<Delivery> {
  const { value } = await from.next();
  return value as Delivery;
}

it('has in its hands what it has more time for, also where its time had been over', async () => {
  const from = ledger();
  const one = consumer(from, { inFlight: 1 });
  const first = await given(one);
  // There is room when its time is over.
  const second = await given(one);
  await second.ack();
  await first.extend();
  await one.close();
  expect(from.released).toEqual([1]);
});

it('does not take into its hands again what was settled while it was given more time', async () => {
  let extended: () => void = () => undefined;
  const from = ledger({
    settle: async (_lease, { outcome }) => {
      if (outcome === 'extend') await new Promise<void>((resolve) => (extended = resolve));
      return true;
    },
  });
  const one = consumer(from);
  const first = await given(one);
  const extending = first.extend();
  await first.ack();
  extended();
  await extending;
  await one.close();
  expect(from.released).toEqual([]);
});

it('ends with its signal, also where what it holds cannot be given back', async () => {
  const stop = new AbortController();
  let asked = false;
  const from = ledger({
    release: async () => {
      asked = true;
      throw new MicroError('unavailable', 'it is locked', { id: 'broker' });
    },
  });
  const one = consumer(from, { signal: stop.signal });
  await given(one);
  stop.abort();
  await until('it is tried', () => asked);
  await expect(one.close()).rejects.toMatchObject({ code: 'unavailable' });
  expect((await one.next()).done).toBe(true);
});
