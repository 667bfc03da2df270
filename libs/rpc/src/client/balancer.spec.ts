import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Balancer, type Candidate, type Health, tiersOf } from './balancer.js';

interface TestNode extends Candidate {
  name: string;
  ejected: boolean;
  load: number;
  lastFailure: number;
  speed: number;
}

function node(name: string, state: Partial<TestNode> = {}): TestNode {
  return {
    name,
    ejected: false,
    load: 0,
    lastFailure: Number.NEGATIVE_INFINITY,
    speed: 0,
    latency: () => state.speed ?? 0,
    ...state,
  } as TestNode;
}

function balancer(tiers: TestNode[][], health: Health = { version: 0 }): Balancer<TestNode> {
  const made = new Balancer<TestNode>(health);
  made.replace(tiers);
  return made;
}

const nodes = fc.array(
  fc.record({ ejected: fc.boolean(), load: fc.nat(100), lastFailure: fc.nat(1000), speed: fc.nat(100) }),
  { minLength: 1, maxLength: 8 },
);
const tiers = fc
  .array(nodes, { minLength: 1, maxLength: 3 })
  .map((states) => states.map((tier, at) => tier.map((state, index) => node(`${at}.${index}`, state))));

describe('choosing a node', () => {
  it('takes a healthy node of the nearest tier that has one', () => {
    fc.assert(
      fc.property(tiers, (all) => {
        const picked = balancer(all).pick(0);
        const nearest = all.find((tier) => tier.some(({ ejected }) => !ejected));
        if (nearest) expect(nearest.filter(({ ejected }) => !ejected)).toContain(picked);
        else expect(picked).toBeDefined();
      }),
    );
  });

  it('takes the node whose last failure is the longest ago when all are ejected', () => {
    fc.assert(
      fc.property(tiers, (all) => {
        const flat = all.flat();
        for (const one of flat) one.ejected = true;
        expect(balancer(all).pick(0)?.lastFailure).toBe(Math.min(...flat.map(({ lastFailure }) => lastFailure)));
      }),
    );
  });

  it('never takes an excluded node, and finds one as long as there is another', () => {
    fc.assert(
      fc.property(tiers, fc.nat(), (all, bits) => {
        const flat = all.flat();
        const excluded = new Set(flat.filter((_, index) => ((bits >> (index % 31)) & 1) === 1));
        const picked = balancer(all).pick(0, (one) => excluded.has(one));
        if (excluded.size === flat.length) expect(picked).toBeUndefined();
        else expect(picked && !excluded.has(picked)).toBe(true);
      }),
    );
  });

  it('never takes the busiest of several', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(100), { minLength: 2, maxLength: 8 }), (loads) => {
        const all = loads.map((load) => node(`${load}`, { load }));
        const busiest = Math.max(...loads);
        for (let round = 0; round < 20; round++) expect(balancer([all]).pick(0)?.load).not.toBe(busiest);
      }),
    );
  });

  it('spreads calls evenly over nodes that are alike', () => {
    const all = [node('a'), node('b'), node('c'), node('d')];
    const choose = balancer([all]);
    for (let call = 0; call < 4000; call++) (choose.pick(0) as TestNode).load++;
    for (const { load } of all) expect(load).toBeGreaterThan(900);
  });

  it('prefers, of equally loaded nodes, the one that is at least twice as fast', () => {
    const choose = balancer([[node('slow', { speed: 50 }), node('fast', { speed: 5 })]]);
    for (let call = 0; call < 50; call++) expect(choose.pick(0)?.name).toBe('fast');
    const alike = balancer([[node('a', { speed: 5 }), node('b', { speed: 6 })]]);
    expect(new Set(Array.from({ length: 100 }, () => alike.pick(0)?.name)).size).toBe(2);
  });

  it('notices ejection and return', () => {
    const health = { version: 0 };
    const [a, b] = [node('a'), node('b')];
    const choose = balancer([[a], [b]], health);
    expect(choose.pick(0)).toBe(a);
    a.ejected = true;
    health.version++;
    expect(choose.pick(0)).toBe(b);
    a.ejected = false;
    health.version++;
    expect(choose.pick(0)).toBe(a);
  });
});

describe('distance', () => {
  const places = [
    { node: 'zone', zone: 'z1', region: 'r1' },
    { node: 'region', zone: 'z2', region: 'r1' },
    { node: 'far', zone: 'z9', region: 'r2' },
  ];

  it('is zone, region, elsewhere', () => {
    expect(tiersOf(places, { zone: 'z1', region: 'r1' })).toEqual([['zone'], ['region'], ['far']]);
  });

  it('is none for who does not know where it is', () => {
    expect(tiersOf(places, { zone: '', region: '' })).toEqual([['zone', 'region', 'far']]);
    expect(tiersOf(places, { zone: '', region: 'r1' })).toEqual([['zone', 'region'], ['far']]);
  });
});
