import { describe, expect, it } from 'vitest';
import { checkLinearizable, type Operation } from './linearizability.js';
import { type LockInput, lockModel } from './locks.js';

const acquire: LockInput = { type: 'acquire' };
const hold = (token: bigint): LockInput => ({ type: 'hold', token });
const release = (token: bigint): LockInput => ({ type: 'release', token });
const expire = (token: bigint): LockInput => ({ type: 'expire', token });

/** `[called, returned, input, output]`; without an end nobody knows what came of it. */
function history(
  ...operations: [number, number | undefined, LockInput, bigint?][]
): readonly Operation<LockInput, bigint>[] {
  return operations.map(([called, returned, input, output], client) => ({
    client,
    input,
    output: returned === undefined ? undefined : (output ?? 0n),
    called: BigInt(called),
    returned: returned === undefined ? undefined : BigInt(returned),
  }));
}

describe('good histories', () => {
  it.each([
    ['nothing', history()],
    ['one after the other', history([0, 1, acquire, 1n], [2, 3, release(1n)], [4, 5, acquire, 7n])],
    ['one that waits', history([0, 1, acquire, 1n], [0, 9, acquire, 2n], [2, 5, hold(1n), 1n], [6, 7, release(1n)])],
    ['one that is refused', history([0, 1, acquire, 1n], [2, 3, acquire, 0n], [4, 5, hold(1n), 1n])],
    ['one that died with it', history([0, 1, acquire, 1n], [1, undefined, expire(1n)], [5, 6, acquire, 2n])],
    [
      'one that knows that it has lost it, and releases it late',
      history(
        [0, 1, acquire, 1n],
        [1, undefined, expire(1n)],
        [5, 6, acquire, 2n],
        [7, 8, hold(1n), 0n],
        [8, 9, release(1n)],
        [10, 11, hold(2n), 2n],
      ),
    ],
    ['an acquisition of which nobody knows', history([0, undefined, acquire], [1, 2, acquire, 2n])],
    [
      'a look that takes long',
      history([0, 1, acquire, 1n], [2, 9, hold(1n), 1n], [1, undefined, expire(1n)], [3, 4, acquire, 2n]),
    ],
  ])('%s', (_, operations) => expect(checkLinearizable(lockModel, operations)).toEqual({ linearizable: true }));
});

describe('bad histories', () => {
  it.each([
    ['two that have it', history([0, 1, acquire, 1n], [2, 3, acquire, 2n])],
    ['two that got it at once', history([0, 5, acquire, 1n], [0, 5, acquire, 2n])],
    ['a token that comes again', history([0, 1, acquire, 1n], [2, 3, release(1n)], [4, 5, acquire, 1n])],
    ['a token that is smaller', history([0, 1, acquire, 5n], [2, 3, release(5n)], [4, 5, acquire, 4n])],
    [
      'one that has it while another does',
      history([0, 1, acquire, 1n], [1, undefined, expire(1n)], [5, 6, acquire, 2n], [7, 8, hold(1n), 1n]),
    ],
    ['one that has it after it released it', history([0, 1, acquire, 1n], [2, 3, release(1n)], [4, 5, hold(1n), 1n])],
    [
      'one whose lock somebody else released',
      history(
        [0, 1, acquire, 1n],
        [1, undefined, expire(1n)],
        [2, 3, acquire, 2n],
        [4, 5, release(1n)],
        [6, 7, acquire, 3n],
        [8, 9, hold(2n), 2n],
      ),
    ],
    [
      'one that had it before it died, and again later',
      history(
        [0, 1, acquire, 1n],
        [2, undefined, expire(1n)],
        [3, 4, acquire, 2n],
        [5, 6, release(2n)],
        [7, 8, hold(1n), 1n],
      ),
    ],
    ['one that nobody gave it to', history([0, 1, hold(1n), 1n])],
  ])('%s', (_, operations) => expect(checkLinearizable(lockModel, operations).linearizable).toBe(false));
});
