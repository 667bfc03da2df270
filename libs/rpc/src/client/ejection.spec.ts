import { afterEach, describe, expect, it } from 'vitest';
import { until } from '@micro/testing';
import { Ejection, type Failure } from './ejection.js';

class Node {
  alive = false;
  probes: number[] = [];
  changes: (Failure | 'back')[] = [];
  readonly ejection = new Ejection(
    { first: 40, longest: 160, failures: 3 },
    {
      probe: async () => {
        this.probes.push(performance.now());
        return this.alive;
      },
      changed: (ejected, why) => this.changes.push(ejected ? (why as Failure) : 'back'),
    },
  );
}

describe('Ejection', () => {
  let node = new Node();
  afterEach(() => {
    node.ejection.close();
    node = new Node();
  });

  it.each(['refused', 'reset'] as const)('ejects at once when a connection is %s', (why) => {
    node.ejection.failed(why);
    expect(node.ejection.ejected).toBe(true);
    expect(node.changes).toEqual([why]);
  });

  it('ejects after several failures in a row', () => {
    node.ejection.failed('malformed');
    node.ejection.failed('malformed');
    node.ejection.succeeded();
    node.ejection.failed('malformed');
    node.ejection.failed('malformed');
    expect(node.ejection.ejected).toBe(false);
    node.ejection.failed('malformed');
    expect(node.ejection.ejected).toBe(true);
  });

  it('asks a node that let a call time out whether it is there, and ejects it if not', async () => {
    node.ejection.failed('timeout');
    expect(node.ejection.ejected).toBe(false);
    await until('it is ejected', () => node.ejection.ejected);
    expect(node.changes).toEqual(['timeout']);
  });

  it('keeps a node that is slow but there', async () => {
    node.alive = true;
    node.ejection.failed('timeout');
    await until('it was asked', () => node.probes.length === 1);
    node.ejection.failed('timeout');
    expect(node.ejection.ejected).toBe(false);
    node.ejection.failed('timeout');
    expect(node.ejection.ejected, 'but not if all of its calls time out').toBe(true);
  });

  it('probes after growing whiles, and lets the node back when it answers', async () => {
    const begun = performance.now();
    node.ejection.failed('refused');
    await until('three probes', () => node.probes.length === 3);
    const [first, second, third] = node.probes as [number, number, number];
    expect(first - begun).toBeGreaterThan(30);
    expect(second - first).toBeGreaterThan(60);
    expect(third - second).toBeGreaterThan(120);
    expect(node.ejection.ejected).toBe(true);
    node.alive = true;
    await until('it is back', () => !node.ejection.ejected);
    expect(node.changes).toEqual(['refused', 'back']);
  });

  it('ejects for longer when the node fails again soon', async () => {
    node.alive = true;
    node.ejection.failed('refused');
    await until('it is back', () => !node.ejection.ejected);
    const again = performance.now();
    node.ejection.failed('refused');
    await until('it is back again', () => !node.ejection.ejected);
    expect(performance.now() - again).toBeGreaterThan(70);
  });

  it('takes any answer of an ejected node as its return', () => {
    node.ejection.failed('reset');
    node.ejection.succeeded();
    expect(node.changes).toEqual(['reset', 'back']);
  });
});
