import { randomBytes } from 'node:crypto';
import type { RunningApp } from '@micro/platform';
import { blobProto } from '@micro/proto';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { type Blobs, openBlobs } from '@micro/store';
import { temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { post, startOnFiles } from './store-app.rig.js';

describe('the blobs of the store app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let blobs: Blobs;

  const start = (address: string) => startOnFiles(folder.path, registry, address);
  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    app = await start('127.0.0.1:0');
    client = new Client({ discovery: fixedTargets(app.address) });
    blobs = await openBlobs({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await blobs.close();
    await client.close();
    await app.stop();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const call = (method: string, body: unknown, namespace = 'micro') =>
    post(`${app.address}/store.Blobs/${method}`, body, namespace);
  const write = (key: string, text: string, database?: string) =>
    blobs.write(key, [new TextEncoder().encode(text)], { database, contentType: 'text/plain' });

  it('are registered, beside its records', async () => {
    const [service] = await registry.get('store');
    expect(service?.nodes.map(({ address }) => address)).toEqual([app.address]);
    const paths = service?.endpoints.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['/store.Store/Watch', '/store.Store/Restore', '/store.Blobs/Write']));
  });

  it('are told of and deleted by curl, in the database of the call’s namespace', async () => {
    const { sha256, modifiedAt } = await write('../a', 'hello', 'curl');
    const blob = { key: '../a', size: '5', sha256, modifiedAt: `${modifiedAt}`, contentType: 'text/plain' };
    expect(await call('Info', { key: '../a' }, 'curl')).toEqual({ status: 200, body: { blob } });
    expect(await call('List', { prefix: '..' }, 'curl')).toEqual({ status: 200, body: { blobs: [blob] } });
    expect((await call('List', {}, 'other')).body).toEqual({});
    expect(await call('Info', { key: '../a' }, 'other')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await call('Delete', { key: '../a' }, 'curl')).toEqual({ status: 200, body: {} });
    expect(await call('Delete', { key: '../a' }, 'curl')).toEqual({ status: 200, body: {} });
    expect((await call('List', {}, 'curl')).body).toEqual({});
  });

  it('are those of another database for callers in micro alone', async () => {
    await write('a', 'hello', 'theirs');
    expect((await call('Info', { key: 'a', database: 'theirs' })).status).toBe(200);
    expect((await call('Info', { key: 'a', database: 'theirs' }, 'theirs')).status).toBe(200);
    for (const method of ['Info', 'List', 'Delete']) {
      const answer = await call(method, { key: 'a', database: 'theirs' }, 'mine');
      expect(answer).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    }
    const calls = client.of(blobProto.Blobs);
    const denied = { code: 'permission_denied', id: 'store' };
    const reading = calls.read({ key: 'a', database: 'theirs' }, { namespace: 'mine' })[Symbol.asyncIterator]();
    await expect(reading.next()).rejects.toMatchObject(denied);
    const request = { key: 'a', database: 'theirs', complete: true };
    await expect(calls.write([request], { namespace: 'mine' })).rejects.toMatchObject(denied);
    expect((await blobs.info('a', { database: 'theirs' })).size).toBe(5);
  });

  it('are not written by who does not say that all has been sent', async () => {
    const calls = client.of(blobProto.Blobs);
    const content = new Uint8Array(10);
    for (const requests of [[], [{ key: 'a' }], [{ key: 'a', content }, { content }]]) {
      await expect(calls.write(requests, {})).rejects.toMatchObject({ code: 'canceled', id: 'store' });
    }
    expect((await blobs.list()).blobs).toEqual([]);
    await calls.write([{ key: 'a', content, complete: true }], {});
    expect((await blobs.info('a')).size).toBe(10);
  });

  it.each([
    ['no key', 'Info', {}, 'the key is empty'],
    ['a key of 10,000 characters', 'Info', { key: 'x'.repeat(10_000) }, '1024 are the most'],
    ['a table that cannot be', 'List', { table: '../..' }, 'table "../.."'],
    ['a database that cannot be', 'List', { database: 'a/b' }, 'database "a/b"'],
    ['a limit that cannot be', 'List', { limit: 10_001 }, 'limit 10001'],
    ['a cursor of its own making', 'List', { cursor: 'x' }, 'cursor "x"'],
    ['what is no JSON', 'List', '{"prefix":', ''],
  ])('refuse %s', async (_what, method, body, reason) => {
    const answer = await call(method, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(answer.body['message']).toContain(reason);
  });

  it('are read to the end while the app stops, and there when it is back', async () => {
    const content = randomBytes(5_000_000);
    await blobs.write('large', [content], { database: 'kept' });
    const reading = await blobs.read('large', { database: 'kept' });
    const parts: Uint8Array[] = [];
    let stopping: Promise<void> | undefined;
    for await (const part of reading.content) {
      stopping ??= app.stop();
      parts.push(part);
    }
    expect(Buffer.concat(parts).equals(content)).toBe(true);
    await stopping;
    await expect(blobs.info('large', { database: 'kept' })).rejects.toMatchObject({ code: 'unavailable' });
    app = await start(app.address);
    await expect
      .poll(() => blobs.info('large', { database: 'kept' }).then(({ size }) => size, String), { timeout: 10_000 })
      .toBe(5_000_000);
  });
});
