import { expect, it } from 'vitest';
import { encodeFrame } from './frames.js';
import { Inbox } from './inbox.js';
import { encodeHead, Listener } from './nats-listener.js';
import { keyOf } from './nats-packets.js';

it('what comes late of a stream whose publisher has begun another since is not taken', async () => {
  const listener = new Listener('orders', () => undefined);
  const inbox: Inbox = new Inbox({ buffer: 10, room: () => listener.advance(inbox) });
  listener.expect(inbox);
  listener.join(inbox);
  const publish = (stream: number, first: number, text: string) => {
    const owner = keyOf({ process: '00112233aabbccdd', number: stream });
    const frame = encodeFrame({ headers: {}, body: Buffer.from(text) });
    listener.take(owner, Buffer.concat([encodeHead({ first, position: 0 }), frame]));
  };
  publish(1, 1, 'first');
  publish(3, 1, 'second');
  publish(1, 2, 'late');
  publish(2, 1, 'late, too');
  publish(3, 2, 'third');
  const texts: string[] = [];
  while (inbox.waiting > 0) texts.push(new TextDecoder().decode((await inbox.next()).value.body));
  expect(texts).toEqual(['first', 'second', 'third']);
  await inbox.close();
});
