import { join } from 'node:path';
import { temporaryFolder, until } from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FileStore } from './file.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: FileStore;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = new FileStore(folder.path);
});
afterEach(async () => {
  await store.close();
  await folder[Symbol.asyncDispose]();
});

it('what expires is told of while somebody writes all the time', { timeout: 30_000 }, async () => {
  await store.write({ key: 'short', value: new Uint8Array(), ttl: 1_000 });
  let told = false;
  const watching = (async () => {
    for await (const event of store.watch({ prefix: 'short' })) told ||= event.type === 'deleted';
  })();
  let running = true;
  const writing = (async () => {
    while (running) await store.write({ key: 'counter', value: new Uint8Array() });
  })();
  try {
    await until('it is told', () => told, 15_000);
  } finally {
    running = false;
    await writing;
    await store.close();
    await watching;
  }
});

it('of what expires at once all goes at once', { timeout: 30_000 }, async () => {
  const count = 5_000;
  const write = (n: number) => store.write({ key: `key-${n}`, value: new Uint8Array(), ttl: 1 });
  await Promise.all(Array.from({ length: count }, (_, n) => write(n)));
  const db = new SQLite(join(folder.path, 'micro.db'), { readonly: true });
  const left = db.prepare('SELECT count(*) FROM records').pluck();
  expect(left.get()).toBeGreaterThan(0);
  // At a batch a second it would take half a minute.
  await until('it has gone', () => left.get() === 0, 12_000).finally(() => db.close());
});
