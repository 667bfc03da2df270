import { expect, it } from 'vitest';
import { keyOf, Packets, toMessages } from './nats-packets.js';

const owner = keyOf({ process: '00112233aabbccdd', number: 1 });
const other = keyOf({ process: '00112233aabbccdd', number: 2 });
const most = 4_096;
/** A packet of three messages. */
const packetOf = (letter: string, of = owner) => {
  const bytes = Buffer.from(letter.repeat(2.5 * most));
  return { bytes, messages: toMessages(of, [bytes], most) as [Buffer, Buffer, Buffer] };
};

it('packets of several messages are joined, whoever sends others in between', () => {
  const packets = new Packets();
  const [a, b] = [packetOf('a'), packetOf('b', other)];
  const joined = a.messages
    .flatMap((message, at) => [message, b.messages[at] as Buffer])
    .map((one) => packets.take(one));
  expect(joined.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
  expect(joined.slice(4)).toEqual([
    { owner, packet: a.bytes },
    { owner: other, packet: b.bytes },
  ]);
});

it.each([
  ['its middle', (a: readonly Buffer[]) => [a[0], a[2]]],
  ['its end, and the beginning of the next', (a: readonly Buffer[], b: readonly Buffer[]) => [a[0], b[1], b[2]]],
  [
    'all but its beginning, and of the next all but its end',
    (a: readonly Buffer[], b: readonly Buffer[]) => [a[0], a[1], b[2]],
  ],
  ['its beginning', (a: readonly Buffer[]) => [a[1], a[2]]],
])('a packet that has lost %s is none, and the next is one', (_, left) => {
  const packets = new Packets();
  const [a, b, next] = [packetOf('a'), packetOf('b'), packetOf('c')];
  for (const message of left(a.messages, b.messages)) expect(packets.take(message as Buffer)).toBeUndefined();
  const joined = next.messages.map((message) => packets.take(message));
  expect(joined).toEqual([undefined, undefined, { owner, packet: next.bytes }]);
});
