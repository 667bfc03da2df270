import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileProgram, temporaryFolder, until, workspaceRoot } from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogEvents } from './log.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
let opened: LogEvents[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.path, 'micro.db');
});
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.map((events) => events.close()));
  opened = [];
  await folder[Symbol.asyncDispose]();
});

function log(path = folder.path): LogEvents {
  const events = new LogEvents({ folder: path });
  opened.push(events);
  return events;
}

/** A log that has been used, and is closed. */
async function used(count = 50): Promise<void> {
  const events = log();
  for (let n = 0; n < count; n++) await events.publish('orders', { body: Buffer.alloc(1_000, n) });
  await events.close();
}

describe('the file of a log', () => {
  it("is its owner's alone, one a namespace, also where only the case differs", async () => {
    const events = log(join(folder.path, 'new', 'events'));
    for (const namespace of ['a', 'A', '..']) await events.publish('orders', {}, { namespace });
    const path = join(folder.path, 'new', 'events');
    const found = (await readdir(path)).filter((name) => name.endsWith('.db')).sort();
    expect(found).toEqual(['%41.db', '...db', 'a.db']);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(path)) expect((await stat(join(path, name))).mode & 0o777, name).toBe(0o600);
    expect(await events.read('orders', { namespace: 'a' })).toHaveLength(1);
  });

  it('that is damaged is said to be, and left as it is', async () => {
    await used();
    await truncate(file, 9_000);
    const damaged = await readFile(file);
    const refusal = { code: 'data_loss', detail: expect.stringContaining(file) };
    const read = async () => log().read('orders');
    await expect(read()).rejects.toMatchObject(refusal);
    expect(Buffer.compare(await readFile(file), damaged)).toBe(0);
    await writeFile(
      file,
      'this is no database, and was none before; it is longer than the header of one, which has a hundred bytes',
    );
    await expect(read()).rejects.toMatchObject(refusal);
    expect((await readFile(file)).toString()).toMatch(/^this is no database/);
  });

  it('that is damaged in the middle is said to be when that is read', async () => {
    await used(200);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(40_000, 0xee), 0, 40_000, 100_000);
    await handle.close();
    const events = log();
    const all = async () => {
      for (let from = 1n; from <= 200n; from++) await events.read('orders', { from: { offset: from }, limit: 1 });
    };
    await expect(all()).rejects.toMatchObject({ code: 'data_loss', detail: expect.stringContaining(file) });
  });

  it('of another program, or a newer one of ours, is refused', async () => {
    const db = new SQLite(file);
    db.exec('CREATE TABLE theirs (a)');
    db.close();
    const publish = () => log().publish('orders', {});
    await expect(publish()).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining(file),
    });
    const own = log();
    await own.publish('orders', {}, { namespace: 'b' });
    await own.close();
    const newer = new SQLite(join(folder.path, 'b.db'));
    newer.pragma('user_version = 99');
    newer.close();
    const refused = log().publish('orders', {}, { namespace: 'b' });
    await expect(refused).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringMatching(/b\.db.*99/),
    });
  });

  it('of an earlier version is taken over', async () => {
    const published = log();
    await published.publish('orders', { body: Buffer.from('kept') });
    const group = { group: 'g' };
    for await (const delivery of await published.consume('orders', group)) {
      await delivery.nack({ reason: 'not yet', delay: 0 });
      break;
    }
    await published.close();
    const earlier = new SQLite(file);
    earlier.exec('ALTER TABLE given DROP COLUMN back; PRAGMA user_version = 1');
    earlier.close();
    for await (const delivery of await log().consume('orders', group)) {
      expect(delivery).toMatchObject({ attempt: 2, event: { offset: 1n } });
      await delivery.ack();
      break;
    }
  });

  it('that cannot be made is refused, and made when that is over', async () => {
    const path = join(folder.path, 'events');
    await writeFile(path, '');
    const events = log(path);
    await expect(events.publish('orders', {})).rejects.toMatchObject({
      code: 'permission_denied',
      detail: expect.stringContaining(path),
    });
    await spawnSync('rm', [path]);
    expect(await events.publish('orders', {})).toMatchObject({ offset: 1n });
  });

  it('that another process keeps locked is waited for, and given up on', { timeout: 30_000 }, async () => {
    const events = log();
    await events.publish('orders', {});
    const other = new SQLite(file);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const turning = setInterval(() => turns++, 5);
    const waiting = events.publish('orders', {});
    await until('this process goes on', () => turns > 10);
    other.exec('COMMIT');
    expect(await waiting).toMatchObject({ offset: 2n });
    other.exec('BEGIN IMMEDIATE');
    await expect(events.publish('orders', {})).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining(file),
    });
    expect(await events.read('orders')).toHaveLength(2);
    clearInterval(turning);
    other.exec('COMMIT');
    other.close();
    expect(await events.publish('orders', {})).toMatchObject({ offset: 3n });
  });

  it(
    'is closed also where another process keeps it locked, so that nothing can be given back',
    { timeout: 30_000 },
    async () => {
      const events = new LogEvents({ folder: folder.path });
      await events.publish('orders', {});
      const stop = new AbortController();
      const consumer = await events.consume('orders', { group: 'g', signal: stop.signal });
      await consumer[Symbol.asyncIterator]().next();
      const other = new SQLite(file);
      other.exec('BEGIN IMMEDIATE');
      stop.abort();
      await expect(events.close()).rejects.toMatchObject({
        code: 'unavailable',
        detail: expect.stringContaining(file),
      });
      other.exec('COMMIT');
      other.close();
      // Whoever closes it last removes that.
      expect(existsSync(`${file}-wal`)).toBe(false);
    },
  );

  const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;
  const onDisk = async (options: string, what: string) => {
    const program = await compileProgram(new URL('events.program.ts', import.meta.url), folder.path);
    const disk = join(folder.path, 'disk');
    await mkdir(disk);
    const config = JSON.stringify({ adapter: 'log', folder: disk });
    const script = `mount -t tmpfs -o ${options} tmpfs "${disk}" && exec "${process.execPath}" "${program}" ${what} '${config}'`;
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_PATH: join(workspaceRoot, 'node_modules') },
    });
    return stdout.trim().split('\n').concat(stderr.trim()).filter(Boolean);
  };

  it.skipIf(!canMount)('on a full disk is said to be, and keeps what was kept', { timeout: 60_000 }, async () => {
    const refused = expect.stringMatching(/^resource_exhausted .*disk\/micro\.db/);
    expect(await onDisk('size=2m', 'fill')).toEqual([refused, 'true', 'end']);
  });

  it.skipIf(!canMount)('on a disk that cannot be written is refused', { timeout: 60_000 }, async () => {
    expect(await onDisk('ro', 'touch')).toEqual(['permission_denied']);
  });

  // Root may write anywhere.
  if (process.getuid?.() !== 0) {
    it('in a folder that cannot be written is refused', async () => {
      await chmod(folder.path, 0o500);
      await expect(log().publish('orders', {})).rejects.toMatchObject({ code: 'permission_denied' });
      await chmod(folder.path, 0o700);
    });
  }
});

describe('a clock that is set back', () => {
  const hour = 3_600_000;

  it('changes neither the order of times nor what is given out', async () => {
    const events = log();
    const begin = Date.now();
    await events.publish('orders', { body: Buffer.from('a') });
    const options = { group: 'g', ackWait: 300 };
    const gone = (await events.consume('orders', options))[Symbol.asyncIterator]();
    await gone.next();
    vi.useFakeTimers({ toFake: ['Date'], now: begin - hour });
    await events.publish('orders', { body: Buffer.from('b') });
    const [first, second] = await events.read('orders');
    expect(second?.publishedAt).toBeGreaterThanOrEqual(first?.publishedAt ?? Infinity);
    // The lease ends, though by the clock it was taken an hour from now.
    const other = (await events.consume('orders', options))[Symbol.asyncIterator]();
    const offsets = [];
    for (let count = 0; count < 2; count++) {
      vi.setSystemTime(begin - hour + 1_000 * count);
      const { value } = await other.next();
      offsets.push(value?.event.offset);
      await value?.ack();
    }
    expect(offsets.sort()).toEqual([1n, 2n]);
    vi.setSystemTime(begin - hour);
    expect(await events.read('orders', { from: { time: begin - 1 } })).toHaveLength(2);
  });
});
