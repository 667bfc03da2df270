/** How long a look-up takes, of names in an order that nobody can foresee but which is the same in every run. */
import { median } from '../rounds.mjs';

type LookUp<Nodes> = (name: string) => Nodes;

/**
 * Nanoseconds of a look-up in memory which finds so many nodes, of names that the caller holds, as a client does. The order is made
 * beforehand: a remainder of a large number takes longer than a look-up, and so would hide what the number of services costs. What walking
 * the order alone takes stays in, some 2 ns on all sides.
 */
export function inMemory(names: readonly string[], nodes: number, lookUp: LookUp<readonly unknown[]>): number {
  const order = shuffled(names);
  const ask = (times: number) => {
    let found = 0;
    for (let index = 0; index < times; index++) found += lookUp(order[index % order.length] as string).length;
    if (found !== times * nodes) throw new Error(`found ${found} of ${times * nodes} nodes`);
  };
  ask(1_000_000);
  // The fastest of several: whatever else the machine does only adds to it.
  const batches = Array.from({ length: 40 }, () => {
    const began = performance.now();
    ask(200_000);
    return (performance.now() - began) * 5;
  });
  return Math.min(...batches);
}

/** Milliseconds of a look-up that asks a server, one after the other; the median of many. */
export async function overTheWire(
  names: readonly string[],
  nodes: number,
  lookUp: LookUp<Promise<readonly unknown[]>>,
): Promise<number> {
  const took: number[] = [];
  for (const name of shuffled(names).slice(0, 600)) {
    const began = performance.now();
    const { length } = await lookUp(name);
    took.push(performance.now() - began);
    if (length !== nodes) throw new Error(`found ${length} of ${nodes} nodes`);
  }
  return median(took.slice(100));
}

function shuffled(names: readonly string[]): readonly string[] {
  let state = 1;
  return Array.from({ length: 16_384 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return names[Math.floor((state / 2 ** 32) * names.length)] as string;
  });
}
