import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLinearizable, type Model, type Operation } from './linearizability.js';

type Input =
  | { readonly type: 'read' }
  | { readonly type: 'write'; readonly value: number }
  | { readonly type: 'cas'; readonly from: number; readonly to: number };
/** Of a read the value, of a write true, of a compare-and-set whether it took effect. */
type Output = number | boolean;

const register: Model<number, Input, Output> = {
  initial: 0,
  step(state, input, output) {
    if (input.type === 'read') return output === undefined || output === state ? [state] : [];
    if (input.type === 'write') return [input.value];
    const taken = state === input.from;
    if (output === undefined) return [taken ? input.to : state];
    return output === taken ? [taken ? input.to : state] : [];
  },
  idle: (input, output) => input.type === 'read' || output === false,
  key: String,
};

const read: Input = { type: 'read' };
const write = (value: number): Input => ({ type: 'write', value });
const cas = (from: number, to: number): Input => ({ type: 'cas', from, to });

/** `[called, returned, input, output]`; without an end nobody knows what came of it. */
function history(...operations: [number, number | undefined, Input, Output?][]): Operation<Input, Output>[] {
  return operations.map(([called, returned, input, output], client) => ({
    client,
    input,
    output: returned === undefined ? undefined : output,
    called: BigInt(called),
    returned: returned === undefined ? undefined : BigInt(returned),
  }));
}

describe('good histories', () => {
  it.each([
    ['nothing', history()],
    ['one after the other', history([0, 1, write(1), true], [2, 3, read, 1])],
    ['a read beside a write sees it', history([0, 10, write(1), true], [1, 2, read, 1])],
    ['or not', history([0, 10, write(1), true], [1, 2, read, 0])],
    ['of two compare-and-sets one wins', history([0, 5, cas(0, 1), true], [0, 5, cas(0, 2), false], [6, 7, read, 1])],
    ['a write nobody knows of took effect later', history([0, undefined, write(1)], [1, 2, read, 0], [3, 4, read, 1])],
    ['or never', history([0, undefined, write(1)], [1, 2, read, 0], [3, 4, read, 0])],
    ['what touches is concurrent', history([0, 5, write(1), true], [5, 6, read, 0])],
  ])('%s', (_, operations) => expect(checkLinearizable(register, operations)).toEqual({ linearizable: true }));
});

describe('bad histories', () => {
  it.each([
    ['a stale read', history([0, 1, write(1), true], [2, 3, read, 0]), 1],
    ['a value from nowhere', history([0, 1, read, 7]), 0],
    [
      'a lost update: two compare-and-sets from the same value',
      history([0, 5, cas(0, 1), true], [0, 5, cas(0, 2), true]),
      undefined,
    ],
    ['a read that goes back', history([0, 10, write(1), true], [1, 2, read, 1], [3, 4, read, 0]), 2],
    ['a write that took effect and was undone', history([0, undefined, write(1)], [1, 2, read, 1], [3, 4, read, 0]), 2],
    ['a refused compare-and-set that had no reason to be', history([0, 1, cas(0, 1), false]), 0],
  ])('%s', (_, operations, at) => {
    const verdict = checkLinearizable(register, operations);
    expect(verdict.linearizable).toBe(false);
    if (!verdict.linearizable && at !== undefined) expect(verdict.at).toBe(operations[at]);
  });
});

/** Every order, without any cleverness. */
function bruteForce(operations: readonly Operation<Input, Output>[], state = 0): boolean {
  if (operations.every(({ returned }) => returned === undefined)) return true;
  const firstEnd = operations.reduce<bigint | undefined>(
    (end, { returned }) => (returned !== undefined && (end === undefined || returned < end) ? returned : end),
    undefined,
  );
  return operations.some((operation, index) => {
    if (firstEnd !== undefined && operation.called > firstEnd) return false;
    return register
      .step(state, operation.input, operation.output)
      .some((after) => bruteForce(operations.toSpliced(index, 1), after));
  });
}

const someInput: fc.Arbitrary<Input> = fc.oneof(
  fc.constant(read),
  fc.integer({ min: 0, max: 2 }).map(write),
  fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })).map(([from, to]) => cas(from, to)),
);
const someOperation: fc.Arbitrary<Operation<Input, Output>> = fc
  .record({
    client: fc.nat(3),
    input: someInput,
    called: fc.nat(12),
    lasts: fc.nat(6),
    number: fc.integer({ min: 0, max: 2 }),
    taken: fc.boolean(),
    known: fc.integer({ min: 0, max: 5 }),
  })
  .map(({ client, input, called, lasts, number, taken, known }) => {
    const output = known === 0 ? undefined : input.type === 'read' ? number : input.type === 'write' ? true : taken;
    return {
      client,
      input,
      output,
      called: BigInt(called),
      returned: output === undefined ? undefined : BigInt(called + lasts),
    };
  });

it('says the same as trying every order', () => {
  let good = 0;
  let bad = 0;
  fc.assert(
    fc.property(fc.array(someOperation, { maxLength: 6 }), (operations) => {
      const { linearizable } = checkLinearizable(register, operations);
      if (linearizable) good++;
      else bad++;
      expect(linearizable).toBe(bruteForce(operations));
    }),
    { numRuns: 2_000 },
  );
  expect([good > 100, bad > 100]).toEqual([true, true]);
});

it('takes a history of many clients on one thing', () => {
  // 64 clients that each add one by compare-and-set, as a right register answers them.
  const operations: Operation<Input, Output>[] = [];
  let value = 0;
  for (let round = 0; round < 64; round++) {
    const at = BigInt(round * 10);
    for (let client = 0; client < 16; client++) {
      operations.push({
        client,
        input: cas(value, value + 1),
        output: client === 15,
        called: at + BigInt(client % 3),
        returned: at + 9n,
      });
    }
    value++;
  }
  expect(checkLinearizable(register, operations)).toEqual({ linearizable: true });
  const lost = operations.with(500, { ...(operations[500] as Operation<Input, Output>), output: true });
  expect(checkLinearizable(register, lost).linearizable).toBe(false);
});
