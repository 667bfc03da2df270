import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Echo, Nodes } from '../client/echo.fixture.js';
import { collect, failure, Rig } from '../client/rig.fixture.js';
import { plainClient, unary } from './grpc-client.fixture.js';

const rig = new Rig();
afterEach(() => rig.close());

const json = { 'content-type': 'application/json' };
const say = (address: string, body = '{"text":"a"}', headers = {}) =>
  fetch(`http://${address}/echo.Echo/Say`, { method: 'POST', headers: { ...json, ...headers }, body });

/** A node that answers one call at a time, and is answering one. */
async function busyNode() {
  let release = () => undefined as void;
  const held = new Promise<void>((resolve) => (release = resolve));
  let begun = 0;
  const node = await rig.serve(
    { say: (request) => (begun++, held.then(() => request)) },
    { limits: { concurrentCalls: 1 } },
  );
  const first = say(node.address);
  await until('a call is under way', () => begun === 1);
  return { address: node.address, first, release, handled: () => begun };
}

describe('a call refused for the number of calls under way', () => {
  it('is said to be so, in both lanes', async () => {
    const busy = await busyNode();
    const overConnect = await say(busy.address);
    expect(overConnect.headers.get('micro-not-processed')).toBe('true');
    expect([overConnect.status, await overConnect.json()]).toMatchObject([429, { code: 'resource_exhausted' }]);
    const client = plainClient(Echo, busy.address);
    const { status } = await unary(client, 'Say', {});
    client.close();
    expect(status.code).toBe(8);
    expect(status.metadata.get('micro-not-processed')).toEqual(['true']);
    busy.release();
    expect((await busy.first).status).toBe(200);
  });

  it.each([
    ['Connect', true],
    ['gRPC', false],
  ])('is answered by another node, whatever its method does: over %s', async (_lane, connect) => {
    const busy = await busyNode();
    const idle = await rig.serve();
    const discovery = new Nodes(
      { address: busy.address, connect, zone: 'near' },
      { address: idle.address, connect, zone: 'far' },
    );
    const echo = rig.client('', { discovery, zone: 'near', retryBudget: { ratio: 0, perSecond: 0 } }).of(Echo);
    expect(await echo.say({ text: 'hello' })).toMatchObject({ text: 'hello' });
    expect(busy.handled()).toBe(1);
    busy.release();
    expect((await busy.first).status).toBe(200);
  });
});

describe('a call is not said to be unprocessed', () => {
  it.each([
    ['its deadline is over', '{}', { 'connect-timeout-ms': '0' }, 504],
    ['it cannot be read', '{', {}, 400],
    ['its headers are wrong', '{}', { 'content-type': 'text/plain' }, 415],
  ])('when %s: no other node would do better', async (_why, body, headers, status) => {
    const { address } = await rig.serve();
    const answer = await say(address, body, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.has('micro-not-processed')).toBe(false);
  });

  it('when its handler hands on that of a call of its own', async () => {
    const refused = new MicroError('resource_exhausted', 'busy', {
      metadata: { 'micro-not-processed': 'true', 'retry-after': '1' },
    });
    const { address } = await rig.serve({
      say: () => Promise.reject(refused),
      async *down() {
        throw refused;
      },
    });
    const answer = await say(address);
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.has('micro-not-processed')]).toEqual([
      429,
      '1',
      false,
    ]);
    const streamed = await failure(collect(rig.client(address).of(Echo).down({})));
    expect(streamed).toMatchObject({ code: 'resource_exhausted', metadata: { 'retry-after': ['1'] } });
    expect(Object.keys(streamed.metadata)).not.toContain('micro-not-processed');
  });
});
