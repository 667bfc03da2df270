import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import type { ContractRig } from '../broker.contract.js';
import type { Broker, Subscription } from '../broker.js';
import { numbers, soon, sorted } from './messages.fixture.js';

const step = fc.record({
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('publish') },
    { weight: 2, arbitrary: fc.constant('subscribe') },
    fc.constant('close'),
  ),
  which: fc.nat({ max: 5 }),
});

/** Whoever comes and goes, what was promised to each of them is kept. */
export function randomContract(rig: ContractRig): void {
  const { listen, publish } = rig;
  let publisher: Broker;
  let subscriber: Broker;
  beforeEach(() => void ({ publisher, subscriber } = rig));

  it('keeps its promises whatever comes and goes', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const topic = `t${run++}`;
        const got: {
          readonly queue: string;
          readonly texts: readonly string[];
          readonly from: number;
          to: number;
          readonly subscription: Subscription;
        }[] = [];
        const published: Promise<void>[] = [];
        let count = 0;
        for (const { what, which } of steps) {
          if (what === 'publish') {
            published.push(publish(topic, `${count++}`));
            if (which === 0) await published.at(-1);
          } else if (what === 'subscribe') {
            const queue = ['', 'one', 'two'][which % 3] as string;
            const one = await listen(topic, { queue }, which % 2 === 0 ? subscriber : publisher);
            got.push({ queue, texts: one.texts, from: count, to: Infinity, subscription: one.subscription });
          } else {
            const open = got.filter(({ to }) => to === Infinity);
            const one = open[which % Math.max(open.length, 1)];
            if (!one) continue;
            one.to = count;
            await one.subscription.close();
          }
        }
        await Promise.all(published);
        const whole = got.filter(({ queue, to }) => queue === '' && to === Infinity);
        for (const one of whole)
          await expect
            .poll(() => one.texts.at(-1) ?? '', soon)
            .toBe(one.from < count ? `${count - 1}` : (one.texts.at(-1) ?? ''));
        for (const { texts } of got) expect(texts).toEqual([...new Set(sorted(texts))]);
        for (const { texts, from } of whole)
          expect(texts.slice(-(count - from) || texts.length)).toEqual(numbers(count).slice(from));
        for (const queue of ['one', 'two']) {
          const all = got.filter((one) => one.queue === queue).flatMap(({ texts }) => texts);
          expect(new Set(all).size).toBe(all.length);
        }
        await Promise.all(got.map(({ subscription }) => subscription.close()));
      }),
      // What comes depends on time: the counterexample alone does not say what was broken.
      { numRuns: 25, includeErrorInReport: true },
    );
  });
}
