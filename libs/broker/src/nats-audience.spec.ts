import { until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeFrames } from './frames.js';
import { NatsAudience } from './nats-audience.js';
import type { Processes } from './nats-processes.js';

/** A topic whose server answers when it is told to. Of the processes `dead` is not there, `silent` answers nothing, and others take what they are given. */
function rig() {
  const sent: string[] = [];
  const given: string[] = [];
  const published: string[] = [];
  const answers: (() => void)[] = [];
  const textsOf = (frames: readonly Uint8Array[]) =>
    decodeFrames(Buffer.concat(frames), 'orders').map(({ body }) => Buffer.from(body).toString());
  const audience = new NatsAudience({
    processes: { isComplete: true, of: () => [].values() } as Partial<Processes> as Processes,
    namespace: 'micro',
    topic: 'orders',
    next: () => ({ process: '00112233aabbccdd', number: 1 }),
    flush: () => new Promise((resolve) => answers.push(resolve)),
    send: (_, [, ...frames]) => void sent.push(...textsOf(frames)),
    reach: (process) => (frames) => {
      if (process === 'dead') return { outcome: Promise.resolve('gone'), cancel: () => undefined };
      given.push(...textsOf(frames).map((text) => `${process} ${text}`));
      if (process !== 'silent')
        return { outcome: Promise.resolve({ taken: frames.length, waiting: 0 }), cancel: () => undefined };
      let cancel: () => void = () => undefined;
      return { outcome: new Promise((resolve) => (cancel = () => resolve('unknown'))), cancel: () => cancel() };
    },
  });
  return {
    audience,
    sent,
    given,
    published,
    answers,
    publish: (text: string) =>
      audience.send({ topic: 'orders', headers: {}, body: Buffer.from(text) }, () => published.push(text)),
    subscription: (number: number, queue?: string) => ({ number, namespace: 'micro', topic: 'orders', queue }),
    /** Of all that was asked by now, and until so many messages are settled. */
    answered: (count: number) =>
      until('all is answered', () => {
        for (const answer of answers.splice(0)) answer();
        return published.length === count;
      }),
  };
}

// The publisher's patience does not end, however busy the machine.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

describe('until the server has answered, who turns up', () => {
  it('gets what waits for somebody before what is published after its queue has left', async () => {
    const { audience, sent, answers, publish, subscription, answered } = rig();
    audience.joined('dead', subscription(1, 'q'));
    publish('first');
    await until('the first is on its way', () => answers.length === 1);
    audience.left('dead', subscription(1, 'q'));
    publish('second');
    await until('so is the second', () => answers.length === 2);
    audience.joined('other', subscription(2));
    audience.told('other', { position: 0, limit: 10 });
    await answered(2);
    expect(sent).toEqual(['first', 'second']);
    audience.close();
  });

  it('in a queue gets what its members that are dead cannot be given, in order', async () => {
    const { audience, given, answers, publish, published, subscription, answered } = rig();
    audience.joined('dead', subscription(1, 'q'));
    publish('lost');
    await answered(1);
    for (const text of ['first', 'second']) {
      publish(text);
      await until(`the ${text} is on its way`, () => answers.length === (text === 'first' ? 1 : 2));
    }
    expect(published).toEqual(['lost']);
    audience.joined('one', subscription(2, 'q'));
    await answered(3);
    publish('third');
    await answered(4);
    expect(given).toEqual(['one first', 'one second', 'one third']);
    audience.close();
  });

  it('in a queue gets nothing of what was taken by one who has left since', async () => {
    const { audience, given, publish, subscription, answered } = rig();
    audience.joined('one', subscription(1, 'q'));
    publish('first');
    await until('it is taken', () => given.length === 1);
    audience.left('one', subscription(1, 'q'));
    audience.joined('other', subscription(2, 'q'));
    await answered(1);
    publish('second');
    await answered(2);
    expect(given).toEqual(['one first', 'other second']);
    audience.close();
  });

  it('later gets nothing, and nobody is waited for', async () => {
    const { audience, given, publish, subscription, answered } = rig();
    audience.joined('dead', subscription(1, 'q'));
    publish('first');
    await answered(1);
    audience.joined('one', subscription(2, 'q'));
    publish('second');
    await answered(2);
    expect(given).toEqual(['one second']);
    audience.close();
  });
});

it('a member of a queue whose process has connected again is not waited for: its answer may be lost', async () => {
  const { audience, given, answers, publish, subscription, answered } = rig();
  audience.joined('silent', subscription(1, 'q'));
  publish('first');
  await until('it is on its way', () => answers.length === 1);
  audience.processAgain('silent');
  await answered(1);
  publish('second');
  await until('so is the next', () => answers.length === 1);
  audience.processAgain('silent');
  await answered(2);
  expect(given).toEqual(['silent first', 'silent second']);
  audience.close();
});
