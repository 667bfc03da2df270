import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.js';

/** Calls and retries with the milliseconds between them. */
const history = fc.array(fc.record({ pause: fc.nat(1500), kind: fc.constantFrom('call', 'retry') }), {
  maxLength: 400,
});

describe('RetryBudget', () => {
  it('never allows more retries within ten seconds than their floor and share', () => {
    fc.assert(
      fc.property(history, fc.constantFrom(0, 0.2, 1), fc.nat(3), (events, ratio, perSecond) => {
        const budget = new RetryBudget({ ratio, perSecond });
        const calls: number[] = [];
        const retries: number[] = [];
        let now = 0;
        for (const { pause, kind } of events) {
          now += pause;
          if (kind === 'call') {
            budget.deposit(now);
            calls.push(now);
          } else if (budget.withdraw(now)) {
            retries.push(now);
            const recent = (times: number[], span: number) => times.filter((time) => time > now - span).length;
            // Seconds are counted whole: of the calls that pay, the oldest may be ten seconds old; of the retries, nine are certain to count.
            expect(recent(retries, 9_000)).toBeLessThanOrEqual(perSecond * 10 + ratio * recent(calls, 20_000) + 1e-6);
          }
        }
      }),
    );
  });

  it('allows the floor without a single call, and again when ten seconds have passed', () => {
    const budget = new RetryBudget({ perSecond: 2 });
    const allowed = (now: number) => Array.from({ length: 100 }, () => budget.withdraw(now)).filter(Boolean).length;
    expect(allowed(500)).toBe(20);
    expect(allowed(9_000)).toBe(0);
    expect(allowed(10_000)).toBe(20);
  });

  it('allows a share of the calls', () => {
    const budget = new RetryBudget({ ratio: 0.2, perSecond: 0 });
    for (let call = 0; call < 100; call++) budget.deposit(1_000);
    expect(Array.from({ length: 100 }, () => budget.withdraw(1_500)).filter(Boolean)).toHaveLength(20);
  });

  it('forgets calls after ten seconds', () => {
    const budget = new RetryBudget({ ratio: 1, perSecond: 0 });
    budget.deposit(0);
    expect(budget.withdraw(10_000)).toBe(false);
  });
});
