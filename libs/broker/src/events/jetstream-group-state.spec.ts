import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Act, type Given, GroupState, mostRows } from './jetstream-group-state.js';

const offset = fc.integer({ min: 1, max: 12 });
const token = fc.integer({ min: 1, max: 30 });
const reason = fc.string({ maxLength: 30 });
const time = fc.integer({ min: 0, max: 400 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      ackWait: time,
      most: fc.integer({ min: 1, max: 3 }),
      strict: fc.boolean(),
      first: fc.integer({ min: 1, max: 3 }),
      last: fc.integer({ min: 0, max: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('ack' as const, 'gone' as const, 'done' as const, 'release' as const),
      offset,
      token,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('nack' as const), offset, token, delay: time, reason }) },
  fc.record({ do: fc.constant('reject' as const), offset, token, reason }),
  fc.record({ do: fc.constant('extend' as const), offset, token, ackWait: time }),
  fc.record({ do: fc.constant('replay' as const), offsets: fc.uniqueArray(offset, { maxLength: 3 }) }),
  fc.record({ do: fc.constant('join' as const), cursor: offset }),
  fc.record({ do: fc.constant('bury' as const) }),
  fc.record({ do: fc.constant('lost' as const), last: offset, top: offset }),
);
const history = fc.array(fc.tuple(fc.array(act, { maxLength: 4 }), fc.integer({ min: 0, max: 1_000 })), {
  maxLength: 60,
});

function claim(over: Partial<Act & { readonly do: 'claim' }> = {}): Act {
  return { do: 'claim', ackWait: 100, most: 2, strict: false, first: 1, last: 1_000_000, ...over };
}

/** Of a group that begins with the first event. */
function begun(): GroupState {
  const state = new GroupState();
  state.apply([{ do: 'join', cursor: 1 }], 0);
  return state;
}

it('a state that was written down goes on as the one that was not', () => {
  fc.assert(
    fc.property(history, fc.nat({ max: 60 }), (entries, when) => {
      const [one, other] = [new GroupState(), { state: new GroupState() }];
      for (const [index, [acts, at]] of entries.entries()) {
        if (index === when) other.state = GroupState.unpacked(JSON.parse(JSON.stringify(one.packed())));
        expect(other.state.apply(acts, at)).toEqual(one.apply(acts, at));
        expect(other.state.packed()).toEqual(one.packed());
      }
    }),
    { numRuns: 300 },
  );
});

it('gives out nothing before somebody has said where it begins: who asks may not know that its journal was removed', () => {
  const state = new GroupState();
  expect(state.apply([claim({ last: 5 })], 0)).toEqual([{ wait: undefined }]);
  state.apply([{ do: 'join', cursor: 4 }], 0);
  expect(state.apply([claim({ last: 5 })], 0)).toMatchObject([{ offset: 4, attempt: 1 }]);
});

it('its clock goes by the acts, and never back', () => {
  const state = begun();
  expect(state.apply([claim()], 1_000)).toMatchObject([{ offset: 1, attempt: 1 }]);
  expect(state.apply([claim({ last: 1 })], 500)).toEqual([{ wait: 100 }]);
  expect(state.apply([claim({ last: 1 })], 1_100)).toMatchObject([{ offset: 1, attempt: 2 }]);
});

it('gives out nothing new while too much is not settled, and still fits a message', () => {
  const first = 1e9;
  const state = GroupState.unpacked({ cursor: first, top: first, topAt: 0, now: 0, tokens: 1e9, rows: [] });
  const time = 1_700_000_000_000;
  const reasons = ['ä', '子', '\u001b', '🙂', 'a'].map((letter) => letter.repeat(500));
  for (let n = 0; n < mostRows; n++) {
    const given = state.apply([claim({ ackWait: 1e9, most: 1e6, last: 2e9 })], time)[0] as Given;
    const reason = reasons[n % reasons.length] ?? '';
    state.apply([{ do: 'nack', offset: given.offset, token: given.token, delay: 1e9, reason }], time);
  }
  expect(state.apply([claim({ last: 2e9 })], time)).toEqual([{ wait: 1e9 }]);
  const letters = Array.from({ length: 5_000 }, (_, n) => first - 1 - n);
  expect(state.apply([{ do: 'replay', offsets: letters }], time)[0]).toHaveLength(2_000);
  expect(Buffer.byteLength(JSON.stringify(state.packed()))).toBeLessThan(1_048_000);
  const again = state.apply([claim({ most: 9 })], time + 1e9)[0] as Given;
  expect(again).toMatchObject({ offset: first - 2_000, attempt: 1, replayed: true });
  state.apply([{ do: 'gone', offset: again.offset, token: again.token }], time + 1e9);
  expect(state.packed().rows).toHaveLength(mostRows + 1_999);
});

it('begins again behind the end of a stream that has lost what was given out', () => {
  const state = begun();
  state.apply([claim({ last: 3 }), claim({ last: 3 }), claim({ last: 3 })], 0);
  expect(state.apply([{ do: 'lost', last: 1, top: 2 }], 0)).toEqual([false]);
  expect(state.apply([{ do: 'lost', last: 1, top: 3 }], 0)).toEqual([true]);
  expect(state.pending({ first: 1, last: 1 })).toBe(1);
  expect(state.apply([claim({ last: 2 })], 0)).toMatchObject([{ offset: 2, attempt: 1 }]);
});
