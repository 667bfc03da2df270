import { MicroError } from '@micro/errors';
import { haveTool, postgresTool, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CockroachStore } from './cockroach.js';
import { CockroachServer } from './cockroach-server.rig.js';

const timeout = 120_000;
const value = new Uint8Array(1);

describe.skipIf(!haveTool(postgresTool))('a server that fails', () => {
  let server: CockroachServer;
  let store: CockroachStore;
  beforeAll(async () => void (server = await CockroachServer.start()));
  beforeEach(async () => void (store = new CockroachStore({ url: await server.empty(), timeout: 2_000 })));
  afterEach(async () => {
    await store.close();
    await server.disconnect();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** Writes until it is told to stop, by several at once. What was acknowledged, and with what words the rest was not. */
  const writing = () => {
    const kept = new Set<string>();
    const refused = new Set<string>();
    let count = 0;
    let isOver = false;
    const write = async (writer: number) => {
      for (let n = 0; !isOver; n++) {
        const key = `${writer}/${n}`;
        try {
          await store.write({ key, value });
          kept.add(key);
        } catch (error) {
          const { code, detail } = MicroError.from(error);
          refused.add(`${code}: ${detail}`);
          count++;
          // What is refused at once is not asked for all the time.
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const over = Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
    return { kept, refused, failures: () => count, stop: () => ((isOver = true), over) };
  };
  const keys = async () => {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list({ keysOnly: true, limit: 10_000, cursor });
      found.push(...page.records.map(({ key }) => key));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return new Set(found);
  };

  it.each(['kill', 'stop'] as const)(
    '%s while many write, and started again: all that was acknowledged is there, nothing of ours is started again',
    { timeout },
    async (end) => {
      const { kept, refused, failures, stop } = writing();
      for (let round = 0; round < 3; round++) {
        const before = kept.size;
        await until('something is written', () => kept.size > before + 50, 30_000);
        await server.process[end]();
        const missed = failures();
        await until('it is missed', () => failures() > missed, 30_000);
        await server.process.start();
      }
      const last = kept.size;
      await until('it goes on', () => kept.size > last + 50, 30_000);
      await stop();
      expect([...refused].filter((one) => !/^unavailable: .*127\.0\.0\.1:\d+/.test(one))).toEqual([]);
      const found = await keys();
      expect([...kept].filter((key) => !found.has(key))).toEqual([]);
    },
  );

  it('that stands still is given up on in time, and goes on', { timeout }, async () => {
    await store.write({ key: 'a', value });
    server.pause();
    try {
      const asked = Array.from({ length: 20 }, () =>
        Promise.all([store.read('a'), store.write({ key: 'b', value })]).then(
          () => 'answered',
          (error: unknown) => MicroError.from(error).code,
        ),
      );
      for (const code of await Promise.all(asked))
        expect(['unavailable', 'deadline_exceeded', 'resource_exhausted']).toContain(code);
    } finally {
      server.resume();
    }
    await until('it goes on', async () => (await store.write({ key: 'c', value })).version > 0n, 30_000);
    expect((await store.read('c')).key).toBe('c');
  });

  it(
    'that stands still is what calls say that wait for a connection, or make the first one, and they wait for one time only',
    {
      timeout,
    },
    async () => {
      const patience = 2_000;
      const fresh = new CockroachStore({ url: await server.empty(), timeout: patience });
      await store.write({ key: 'a', value });
      server.pause();
      try {
        // Longer than any call may take, by the same clock that calls go by.
        let isLate = false;
        const late = setTimeout(() => (isLate = true), 2.5 * patience);
        const asked = [fresh.read('a'), ...Array.from({ length: 40 }, () => store.read('a'))];
        const said = await Promise.all(asked.map((one) => one.then(String, (error: Error) => error)));
        expect(isLate).toBe(false);
        clearTimeout(late);
        const { port } = new URL(server.url);
        const detail = expect.stringContaining(`127.0.0.1:${port} does not answer`) as string;
        for (const error of said) expect(error).toMatchObject({ code: 'unavailable', detail });
      } finally {
        server.resume();
        await fresh.close();
      }
    },
  );

  it('that stands still while it is connected to is no more than away', { timeout }, async () => {
    const url = await server.empty();
    // It comes to stand still earlier or later on the way to the first answer.
    const opening = [0, 2, 4, 8, 16, 32, 64].map(async (milliseconds) => {
      const one = new CockroachStore({ url, timeout: 1_000 });
      await new Promise((resolve) => setTimeout(resolve, 64 - milliseconds));
      return { one, first: one.read('a').then(String, (error: Error) => MicroError.from(error).code) };
    });
    const opened = await Promise.all(opening);
    server.pause();
    try {
      for (const { first } of opened) expect(['unavailable', 'not_found']).toContain(await first);
    } finally {
      server.resume();
    }
    for (const { one } of opened)
      await until('it is there', () => one.write({ key: 'a', value }).then(() => true), 30_000);
    await Promise.all(opened.map(({ one }) => one.close()));
  });

  it('is followed by a watch when it is there again, which tells what has changed meanwhile', { timeout }, async () => {
    const url = await server.empty();
    const watching = new CockroachStore({ url, timeout: 2_000 });
    const other = new CockroachStore({ url, timeout: 2_000 });
    try {
      await other.write({ key: 'gone', value });
      const told: string[] = [];
      const over = (async () => {
        for await (const event of watching.watch())
          told.push(event.type === 'synced' ? 'synced' : event.type === 'deleted' ? '-gone' : event.record.key);
      })();
      await until('it watches', () => told.includes('synced'), 30_000);
      await server.process.kill();
      await expect(other.read('gone')).rejects.toMatchObject({ code: 'unavailable' });
      await server.process.start();
      const again = async (change: () => Promise<unknown>) =>
        until('it is made', () => change().then(() => true), 30_000);
      await again(() => other.delete('gone'));
      await again(() => other.write({ key: 'new', value }));
      await until('it is told', () => told.length === 4, 30_000);
      expect([...told].sort()).toEqual(['-gone', 'gone', 'new', 'synced']);
      await watching.close();
      await over;
    } finally {
      await Promise.all([watching.close(), other.close()]);
    }
  });
});
