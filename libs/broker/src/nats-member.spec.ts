import type { Msg } from '@nats-io/transport-node';
import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import { patience } from './broker.js';
import { encodeFrame } from './frames.js';
import { Inbox } from './inbox.js';
import { Lane } from './lane.js';
import { Receivers } from './nats-member.js';
import { keyOf, toMessages } from './nats-packets.js';

/** One subscription, and what its publisher asks of it. */
function rig(buffer: number) {
  const lane = new Lane(patience);
  const inbox: Inbox = new Inbox({ buffer, room: () => lane.advance() });
  lane.join(inbox);
  const receivers = new Receivers();
  receivers.add(1, { topic: 'orders', lane });
  const answers: string[] = [];
  const give = (connection: number, ...texts: string[]) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(1, 0);
    head.writeUInt32BE(10_000, 4);
    const frames = texts.map((text) => encodeFrame({ headers: {}, body: Buffer.from(text) }));
    const owner = keyOf({ process: '00112233aabbccdd', number: connection });
    const [data] = toMessages(owner, [head, ...frames], 65_536);
    const message: Partial<Msg> = { data, respond: (answer) => answers.push(String(answer)) > 0 };
    void receivers.take(message as Msg);
  };
  const next = async () => new TextDecoder().decode((await inbox.next()).value.body);
  return { give, next, answers, inbox };
}

it('what a publisher sends after he has given up what still waits comes behind it', async () => {
  const { give, next, answers, inbox } = rig(1);
  give(1, '1', '2', '3');
  give(1, '4');
  const texts: string[] = [];
  for (let count = 0; count < 4; count++) texts.push(await next());
  expect(texts).toEqual(['1', '2', '3', '4']);
  await until('both are answered', () => answers.length === 2);
  await inbox.close();
});

it('what comes late over a connection that its publisher has given up is not taken', async () => {
  const { give, next, answers, inbox } = rig(10);
  give(1, '1');
  give(2, '2');
  give(1, 'late');
  give(2, '3');
  expect([await next(), await next(), await next()]).toEqual(['1', '2', '3']);
  expect(inbox.waiting).toBe(0);
  await until('the others are answered', () => answers.length === 3);
  await inbox.close();
});
