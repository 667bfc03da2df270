import { describe, expect, it } from 'vitest';
import { checkDeliveries, type DeliveryPromise, type Received, type Sent } from './deliveries.js';

const sent: Sent[] = ['a', 'b'].flatMap((publisher) => [0, 1, 2].map((sequence) => ({ publisher, sequence })));
const exactly: DeliveryPromise = { times: 'exactly once', order: 'subscriber' };
/** `a0` is the first of publisher a. */
const got = (subscriber: string, group: string, names: string): Received[] =>
  names
    .split(' ')
    .map((name) => ({ subscriber, group, publisher: name[0] as string, sequence: Number(name.slice(1)) }));
const all = 'a0 b0 a1 b1 b2 a2';

describe('what keeps the promise', () => {
  it.each<[string, Received[], string[], DeliveryPromise]>([
    ['everyone gets everything', [...got('x', '', all), ...got('y', '', all)], ['x', 'y'], exactly],
    ['a group shares', [...got('x', 'q', 'a0 a2 b1'), ...got('y', 'q', 'b0 a1 b2')], ['q'], exactly],
    [
      'less than everything, at most once',
      got('x', '', 'a0 b2'),
      ['x'],
      { times: 'at most once', order: 'subscriber' },
    ],
    ['nothing, at most once', [], ['x'], { times: 'at most once', order: 'group' }],
    ['a repetition, at least once', got('x', 'g', `${all} a0`), ['g'], { times: 'at least once', order: 'group' }],
    [
      'any order where none is promised',
      got('x', '', 'a2 a1 a0 b0 b1 b2'),
      ['x'],
      { times: 'exactly once', order: 'none' },
    ],
  ])('%s', (_, received, receivers, promise) =>
    expect(checkDeliveries({ sent, received, receivers }, promise)).toEqual([]),
  );
});

describe('what breaks it', () => {
  interface Bad {
    readonly what: string;
    readonly received: Received[];
    readonly receivers?: string[];
    readonly promise: DeliveryPromise;
    readonly problems: string[];
  }
  const unordered = { times: 'at most once', order: 'none' } as const;
  it.each<Bad>([
    {
      what: 'a message lost',
      received: got('x', '', 'a0 a1 b0 b1 b2'),
      promise: exactly,
      problems: ['x never got a#2'],
    },
    {
      what: 'a receiver forgotten',
      received: got('x', '', all),
      receivers: ['x', 'y'],
      promise: { times: 'at least once', order: 'none' },
      problems: sent.map(({ publisher, sequence }) => `y never got ${publisher}#${sequence}`),
    },
    { what: 'a message twice', received: got('x', '', `${all} a2`), promise: exactly, problems: ['x got a#2 2 times'] },
    {
      what: 'a message to two of a group',
      received: [...got('x', 'q', all), ...got('y', 'q', 'b1')],
      promise: exactly,
      problems: ['q got b#1 2 times'],
    },
    {
      what: 'a message out of order',
      received: got('x', '', 'a1 a0'),
      promise: { times: 'at most once', order: 'subscriber' },
      problems: ['/x got a#0 after a#1'],
    },
    {
      what: 'out of order over a group',
      received: [...got('x', 'q', 'a1'), ...got('y', 'q', 'a0')],
      promise: { times: 'at most once', order: 'group' },
      problems: ['q got a#0 after a#1'],
    },
    {
      what: 'a message that nobody sent',
      received: got('x', '', 'c9'),
      promise: unordered,
      problems: ['x got c#9, which nobody sent'],
    },
  ])('$what', ({ received, receivers = [], promise, problems }) => {
    expect(checkDeliveries({ sent, received, receivers }, promise)).toEqual(problems);
  });
});

it('refuses a history in which two messages have one name', () => {
  expect(() => checkDeliveries({ sent: [...sent, ...sent], received: [], receivers: [] }, exactly)).toThrow(RangeError);
});
