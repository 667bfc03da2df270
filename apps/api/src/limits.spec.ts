import { RpcServer } from '@micro/rpc';
import { expect, it } from 'vitest';
import { described, everything, everythingHandlers, startRig } from './gateway.rig.js';

const mebibyte = 1024 * 1024;

it('passes on what MICRO_MESSAGE_LIMIT lets through, both ways, and no more', async () => {
  await using rig = await startRig({ MICRO_MESSAGE_LIMIT: String(8 * mebibyte) });
  const server = new RpcServer({ name: 'everything', limits: { messageBytes: 8 * mebibyte } }).add(
    everything,
    everythingHandlers(),
  );
  await server.listen();
  await rig.registry.register(described(everything, { name: 'everything', address: server.address }));
  const call = (bytes: number) =>
    rig.fetch('/everything/call', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x'.repeat(bytes) }),
    });
  const answer = await call(6 * mebibyte);
  expect(answer.status).toBe(200);
  expect(((await answer.json()) as { name: string }).name).toHaveLength(6 * mebibyte);
  const refused = await call(8 * mebibyte);
  expect([refused.status, await refused.json()]).toMatchObject([413, { code: 'resource_exhausted' }]);
  await server.close({ graceMs: 0 });
});

it('does not start with a body that no message could hold', async () => {
  await expect(startRig({ MICRO_API_BODY_LIMIT: String(8 * mebibyte) })).rejects.toMatchObject({
    code: 'invalid_argument',
    detail: expect.stringContaining(`set MICRO_MESSAGE_LIMIT=${8 * mebibyte}`),
  });
});
