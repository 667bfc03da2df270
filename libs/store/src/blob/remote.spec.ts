import { blobProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { link, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { blobCapabilities } from '../capabilities.js';
import type { Blobs } from './blobs.js';
import { blobsContract } from './blobs.contract.js';
import { BlobsHandlers } from './handlers.js';
import { MemoryBlobs } from './memory.js';
import { openBlobs } from './open.js';

let client: Client;
const close: (() => unknown)[] = [];

/** Blobs as apps/store serves them, at an address. `deleting` is called before each deletion. */
async function served(blobs: Blobs, deleting: () => Promise<void> = async () => undefined): Promise<string> {
  const handlers = new BlobsHandlers(blobs);
  const server = new RpcServer({ name: 'store', port: 0 }).add(blobProto.Blobs, {
    write: (requests, context) => handlers.write(requests, context),
    read: (request, context) => handlers.read(request, context),
    info: (request, context) => handlers.info(request, context),
    list: (request, context) => handlers.list(request, context),
    delete: (request, context) => deleting().then(() => handlers.delete(request, context)),
  });
  const { host, port } = await server.listen();
  close.unshift(() => server.close());
  return `${host}:${port}`;
}

beforeAll(async () => {
  const folder = await temporaryFolder();
  const blobs: Blobs = await openBlobs({ adapter: 'directory', folder: folder.path });
  close.unshift(
    () => blobs.close(),
    () => folder[Symbol.asyncDispose](),
  );
  client = new Client({ discovery: fixedTargets(await served(blobs)) });
  close.unshift(() => client.close());
});
afterAll(async () => {
  for (const one of close) await one();
});

blobsContract('remote', {
  capabilities: blobCapabilities.remote,
  open: () => openBlobs({ adapter: 'remote', client }),
});

it('a deletion that one of several stores has begun is not made again by another, whose blob the first would delete later', async () => {
  const blobs = new MemoryBlobs();
  let goOn = () => {};
  const still = new Promise<void>((resolve) => (goOn = resolve));
  const stillAt: string[] = [];
  const stores = await Promise.all(
    ['one', 'other'].map(async (name) => {
      const way = await link(
        await served(blobs, async () => {
          if (stillAt.push(name) > 1) return;
          way.cut();
          await still;
        }),
      );
      close.unshift(() => way.end());
      return way;
    }),
  );
  const targets = stores.map(({ address }) => ({ id: address, address, connect: true, region: '', zone: '' }));
  const user = new Client({ discovery: { targets: () => targets } });
  close.unshift(() => user.close());
  const remote = await openBlobs({ adapter: 'remote', client: user });
  await remote.write('a', [new Uint8Array(1)]);
  // So that it could pay for another attempt.
  for (let n = 0; n < 20; n++) await remote.info('a');
  await expect(remote.delete('a')).rejects.toMatchObject({ code: 'unavailable' });
  expect(stillAt).toHaveLength(1);
  goOn();
});
