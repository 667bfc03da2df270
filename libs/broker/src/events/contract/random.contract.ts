import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventsRig } from '../events.contract.js';
import type { Consumer } from '../events.js';
import { soon, text } from './taking.fixture.js';

type Act = 'publish' | 'ack' | 'nack' | 'reject' | 'keep' | 'reopen';
const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Act>('publish') },
  { weight: 4, arbitrary: fc.constant<Act>('ack') },
  { weight: 2, arbitrary: fc.constant<Act>('nack') },
  { weight: 1, arbitrary: fc.constant<Act>('reject') },
  { weight: 1, arbitrary: fc.constant<Act>('keep') },
  { weight: 1, arbitrary: fc.constant<Act>('reopen') },
);
const plans = fc.record({ acts: fc.array(acts, { minLength: 5, maxLength: 40 }), inFlight: fc.constantFrom(1, 2, 8) });

/** Whatever happens to its events, a group settles each, and meets them in order. */
export function randomContract(rig: EventsRig): void {
  describe('whatever is done to its events', () => {
    it('a group settles each of them, and gets them in order the first time', { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(plans, (plan) => settlesEach(rig, plan)),
        { numRuns: 15, endOnFailure: true },
      );
    });
  });
}

async function settlesEach(
  rig: EventsRig,
  plan: { readonly acts: readonly Act[]; readonly inFlight: number },
): Promise<void> {
  const stream = `s-${randomUUID()}`;
  const options = { inFlight: plan.inFlight, ackWait: 500, maxDeliveries: 3, backoff: 5 };
  const acted: Act[] = [];
  /** What to do with deliveries, one after the other; in the end all are acknowledged. */
  const decisions = plan.acts.filter((act) => act !== 'publish' && act !== 'reopen');
  const first: string[] = [];
  const settled = new Map<string, number>();
  const work = async (consumer: Consumer) => {
    for await (const { event, ack, nack, reject } of consumer) {
      const name = text(event);
      if (!first.includes(name)) first.push(name);
      const act = decisions.shift() ?? 'ack';
      acted.push(act);
      try {
        if (act === 'nack') await nack();
        else if (act === 'reject') await reject('no');
        else if (act === 'ack') {
          await ack();
          settled.set(name, (settled.get(name) ?? 0) + 1);
        }
      } catch (error) {
        if ((error as { code?: string }).code !== 'aborted') throw error;
      }
    }
  };
  let consumer = await rig.consume(stream, options);
  let working = work(consumer);
  let count = 0;
  for (const act of plan.acts) {
    if (act === 'publish') await rig.publish(stream, `${++count}`);
    if (act !== 'reopen') continue;
    await consumer.close();
    await working;
    consumer = await rig.consume(stream, options, rig.others);
    working = work(consumer);
  }
  const info = async () => (await rig.events.streams(rig)).find((found) => found.stream === stream)?.groups[0];
  await expect.poll(async () => (await info())?.pending, soon).toBe(0);
  await consumer.close();
  await working;
  const dead = (await rig.events.deadLetters(stream, rig)).map(({ event }) => text(event));
  expect(first).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
  expect([...settled.keys(), ...dead].sort()).toEqual([...first].sort());
  expect([...settled.values()].every((times) => times === 1)).toBe(true);
}
