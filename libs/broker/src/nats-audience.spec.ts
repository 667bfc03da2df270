import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import { decodeFrames } from './frames.js';
import { NatsAudience } from './nats-audience.js';
import type { Processes } from './nats-processes.js';

it('what waits for somebody to turn up goes before what is published after its queue has left', async () => {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const audience = new NatsAudience({
    processes: { isComplete: true, of: () => [].values() } as Partial<Processes> as Processes,
    namespace: 'micro',
    topic: 'orders',
    next: () => ({ process: '00112233aabbccdd', number: 1 }),
    flush: () => new Promise((resolve) => answers.push(resolve)),
    send: (_, [, ...frames]) => {
      for (const { body } of decodeFrames(Buffer.concat(frames), 'orders')) sent.push(Buffer.from(body).toString());
    },
    reach: () => () => ({ outcome: Promise.resolve('gone' as const), cancel: () => undefined }),
  });
  const published: string[] = [];
  const publish = (text: string) =>
    audience.send({ topic: 'orders', headers: {}, body: Buffer.from(text) }, () => published.push(text));
  audience.joined('one', { number: 1, namespace: 'micro', topic: 'orders', queue: 'q' });
  publish('first');
  await until('the first is on its way', () => answers.length === 1);
  audience.left('one', { number: 1, namespace: 'micro', topic: 'orders', queue: 'q' });
  publish('second');
  await until('so is the second', () => answers.length === 2);
  audience.joined('two', { number: 2, namespace: 'micro', topic: 'orders' });
  audience.told('two', { position: 0, limit: 10 });
  await until('all is answered', () => {
    for (const answer of answers.splice(0)) answer();
    return published.length === 2;
  });
  expect(sent).toEqual(['first', 'second']);
  audience.close();
});
