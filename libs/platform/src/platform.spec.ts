import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Broker, Events } from '@micro/broker';
import { Blobs, Locks, Store } from '@micro/store';
import { temporaryFolder } from '@micro/testing';
import { Injectable, Module } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { Platform } from './platform.js';
import { startApp } from './run-app.js';

const environment = readEnvironment({ MICRO_PROFILE: 'test' });
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe('a platform', () => {
  it('keeps and publishes within the process for tests', async () => {
    await using platform = await Platform.open(environment, { name: 'a' });
    await platform.store.write({ key: 'k', value: bytes('v') });
    expect((await platform.store.read('k')).value).toEqual(bytes('v'));
    await platform.blobs.write('b', [bytes('blob')]);
    expect((await platform.blobs.info('b')).size).toBe(4);
    expect((await platform.locks.acquire('l')).held).toBe(true);
    await using subscription = await platform.broker.subscribe('t');
    await platform.broker.publish('t', { body: bytes('m') });
    for await (const { body } of subscription) {
      expect(body).toEqual(bytes('m'));
      break;
    }
    await platform.events.publish('s', { body: bytes('e') });
    expect(await platform.events.read('s')).toMatchObject([{ body: bytes('e') }]);
  });

  it('makes nothing for those who keep and publish nothing, and closes what they opened', async () => {
    await using folder = await temporaryFolder();
    const local = readEnvironment({ MICRO_HOME: folder.path, MICRO_REGISTRY: 'memory' });
    const idle = await Platform.open(local, { name: 'idle' });
    await idle.close();
    expect(await readdir(folder.path)).toEqual([]);

    const busy = await Platform.open(local, { name: 'busy' });
    await busy.store.write({ key: 'k', value: bytes('v') }, { database: 'shop' });
    await busy.blobs.write('b', [bytes('blob')]);
    const lock = await busy.locks.acquire('l');
    await busy.events.publish('s', {});
    expect((await readdir(folder.path)).sort()).toEqual(['blobs', 'events', 'locks', 'store']);
    expect(existsSync(join(folder.path, 'store/shop.db'))).toBe(true);
    await busy.close();
    await expect(busy.store.read('k')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(busy.blobs.info('b')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(busy.locks.acquire('l')).rejects.toMatchObject({ code: 'unavailable' });
    expect(lock.held).toBe(false);
    await expect(busy.broker.publish('t', {})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(busy.events.read('s')).rejects.toMatchObject({ code: 'unavailable' });
    await using again = await Platform.open(local, { name: 'again' });
    expect((await again.store.read('k', { database: 'shop' })).value).toEqual(bytes('v'));
    expect((await again.locks.acquire('l', { wait: 0 })).token).toBeGreaterThan(lock.token);
  });
});

@Injectable()
class Everything {
  constructor(
    readonly store: Store,
    readonly blobs: Blobs,
    readonly broker: Broker,
    readonly events: Events,
  ) {}
}

@Module({ providers: [Everything] })
class EverythingModule {}

it('an app may inject store, blobs, locks, broker and events', async () => {
  await using running = await startApp({ name: 'everything', module: EverythingModule, port: 0 }, { environment });
  const { store, blobs, broker, events } = running.app.get(Everything);
  const { platform } = running;
  const injected = [store, blobs, running.app.get(Locks), broker, events];
  expect(injected).toEqual([platform.store, platform.blobs, platform.locks, platform.broker, platform.events]);
});
