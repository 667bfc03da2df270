import { blobProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import { temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll } from 'vitest';
import { blobCapabilities } from '../capabilities.js';
import type { Blobs } from './blobs.js';
import { blobsContract } from './blobs.contract.js';
import { BlobsHandlers } from './handlers.js';
import { openBlobs } from './open.js';

let client: Client;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  const folder = await temporaryFolder();
  const blobs: Blobs = await openBlobs({ adapter: 'directory', folder: folder.path });
  const handlers = new BlobsHandlers(blobs);
  const server = new RpcServer({ name: 'store', port: 0 }).add(blobProto.Blobs, {
    write: (requests, context) => handlers.write(requests, context),
    read: (request, context) => handlers.read(request, context),
    info: (request, context) => handlers.info(request, context),
    list: (request, context) => handlers.list(request, context),
    delete: (request, context) => handlers.delete(request, context),
  });
  const { host, port } = await server.listen();
  client = new Client({ discovery: fixedTargets(`${host}:${port}`) });
  close.push(
    () => client.close(),
    () => server.close(),
    () => blobs.close(),
    () => folder[Symbol.asyncDispose](),
  );
});
afterAll(async () => {
  for (const one of close) await one();
});

blobsContract('remote', {
  capabilities: blobCapabilities.remote,
  open: () => openBlobs({ adapter: 'remote', client }),
});
