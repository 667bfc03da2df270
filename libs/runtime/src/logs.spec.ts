import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineSplitter, maxLineBytes } from './lines.js';
import { LogCollector, type LogCollectorOptions } from './log-collector.js';
import { LogFile } from './log-file.js';
import { readLogs } from './log-reader.js';
import type { LogLine, LogsQuery } from './runtime.js';

const service = { namespace: 'micro', service: 'greeter' };
const owner = { ...service, instance: 'greeter-1' };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let collectors: LogCollector[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const collector of collectors) await collector.dispose();
  collectors = [];
  await folder[Symbol.asyncDispose]();
});

function collect(options: Partial<LogCollectorOptions> = {}): LogCollector {
  const collector = new LogCollector({
    logs: join(folder.path, 'logs'),
    spool: join(folder.path, 'spool'),
    ...options,
  });
  collectors.push(collector);
  return collector;
}

async function all(collector: LogCollector, query: Omit<LogsQuery, 'name'> = {}): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of readLogs(collector, service, query)) lines.push(line);
  return lines;
}

async function texts(collector: LogCollector, query: Omit<LogsQuery, 'name'> = {}): Promise<string[]> {
  return (await all(collector, query)).map(({ text }) => text);
}

describe('lines', () => {
  it('are whole, however the bytes arrive', () => {
    const splitter = new LineSplitter();
    const out = ['on', 'e\r', '\ntwo\n\nth', 'ree'].flatMap((part) =>
      [...splitter.push(Buffer.from(part))].map(String),
    );
    expect([...out, ...[...splitter.end()].map(String)]).toEqual(['one', 'two', '', 'three']);
  });

  it('are cut between characters when they are too long', () => {
    const splitter = new LineSplitter();
    const out = [...splitter.push(Buffer.from('€'.repeat(100_000) + '\n'))].map(String);
    expect(out.join('')).toBe('€'.repeat(100_000));
    expect(Math.max(...out.map((text) => Buffer.byteLength(text)))).toBeLessThanOrEqual(maxLineBytes);
  });

  it('without an end take no more memory than the longest', () => {
    const splitter = new LineSplitter();
    for (let index = 0; index < 100; index++)
      for (const piece of splitter.push(Buffer.alloc(50_000, 0x80))) expect(piece.length).toBe(maxLineBytes);
    expect(splitter.held).toBeLessThanOrEqual(maxLineBytes);
  });
});

describe('log file', () => {
  it('keeps a limited number of files, for its owner only', () => {
    const path = join(folder.path, 'logs/x.log');
    const file = new LogFile(path, { maxBytes: 1_000, files: 3 });
    for (let index = 0; index < 100; index++) file.write('stdout', [`line ${index}`]);
    file.close();
    expect(readdirSync(join(folder.path, 'logs')).sort()).toEqual(['x.log', 'x.log.1', 'x.log.2']);
    for (const name of ['x.log', 'x.log.2']) {
      const { size, mode } = statSync(join(folder.path, 'logs', name));
      expect(size).toBeLessThanOrEqual(1_000);
      expect(mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(folder.path, 'logs')).mode & 0o777).toBe(0o700);
    expect(readFileSync(path, 'utf8')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z stdout line \d+\n[^]* stdout line 99\n$/);
  });

  it('survives a full disk', () => {
    const file = new LogFile('/dev/full');
    file.write('stdout', ['lost']);
    file.write('stdout', ['lost, too']);
    file.close();
  });
});

describe('collected logs', () => {
  it('have the time and the stream of each line', async () => {
    const collector = collect();
    const before = Date.now();
    const { stdout, stderr } = collector.open(owner);
    appendFileSync(stdout, 'out 1\nout 2\n');
    appendFileSync(stderr, 'err 1\n');
    const lines = await all(collector);
    expect(lines.map(({ stream, text }) => `${stream} ${text}`).sort()).toEqual([
      'stderr err 1',
      'stdout out 1',
      'stdout out 2',
    ]);
    for (const { timeMs, instance } of lines) {
      expect(timeMs).toBeGreaterThanOrEqual(before);
      expect(instance).toBe('greeter-1');
    }
  });

  it('come out whatever is in them', async () => {
    const collector = collect();
    const { stdout } = collector.open(owner);
    appendFileSync(
      stdout,
      Buffer.concat([
        Buffer.from([0xff, 0x00, 0x1b, 0x0a]),
        Buffer.from('x'.repeat(200_000) + '\n\n2026-01-01 stdout fake\nlast\n'),
      ]),
    );
    const lines = await texts(collector);
    expect(lines[0]).toBe('\ufffd\0\x1b');
    expect(lines.slice(1, 5).join('') === 'x'.repeat(200_000)).toBe(true);
    expect(lines.slice(5)).toEqual(['', '2026-01-01 stdout fake', 'last']);
  });

  it('go on where an earlier collector was killed, losing and repeating nothing', async () => {
    const first = collect();
    const { stdout } = first.open(owner);
    appendFileSync(stdout, 'one\ntw');
    await first.sync(service);
    // What is left to do at the end is nothing that a kill -9 would lose: how far it came is on disk.
    await first.dispose();
    const second = collect();
    appendFileSync(stdout, 'o\nthree\n');
    second.open(owner);
    expect(await texts(second)).toEqual(['one', 'two', 'three']);
  });

  it.each([
    ['had the log', true],
    ['had announced it, and the log had not', false],
  ])('are neither lost nor repeated where the collector was killed when it %s', async (_, logged) => {
    const first = collect();
    const { stdout } = first.open(owner);
    const mark = () => readFileSync(`${stdout}-mark`);
    const log = join(first.folder(service), `${owner.instance}.log`);
    appendFileSync(stdout, 'one\n');
    await first.sync(service);
    const [before, short] = [mark(), readFileSync(log)];
    appendFileSync(stdout, 'two\nthr');
    await first.sync(service);
    await first.dispose();
    // As it is on disk between the announcement and the end: the numbers after the first are new, the first is not.
    writeFileSync(`${stdout}-mark`, Buffer.concat([before.subarray(0, 8), mark().subarray(8)]));
    if (!logged) writeFileSync(log, short);
    const second = collect();
    appendFileSync(stdout, 'ee\n');
    second.open(owner);
    expect(await texts(second)).toEqual(['one', 'two', 'three']);
  });

  it('keep a last line without an end when the process is gone, and no spool', async () => {
    const collector = collect();
    const { stdout, stderr, tail } = collector.open(owner);
    appendFileSync(stdout, 'no end');
    appendFileSync(stderr, 'reason\n');
    expect(tail()).toEqual(['reason']);
    await collector.finish(owner.instance);
    expect(tail()).toEqual([]);
    appendFileSync(stderr, 'next process\n');
    expect(tail()).toEqual(['next process']);
    await collector.close(owner.instance);
    expect((await texts(collector)).sort()).toEqual(['next process', 'no end', 'reason']);
    expect(readdirSync(join(folder.path, 'spool'))).toEqual([]);
    expect(existsSync(stdout)).toBe(false);
  });

  it('merge instances by time', async () => {
    const collector = collect();
    for (const [instance, times] of [
      ['a', [1, 4, 5]],
      ['b', [2, 3, 6]],
    ] as const) {
      for (const time of times)
        new LogFile(join(collector.folder(service), `${instance}.log`)).write('stdout', [`${instance}${time}`], {
          timeMs: time,
        });
    }
    expect(await texts(collector)).toEqual(['a1', 'b2', 'b3', 'a4', 'a5', 'b6']);
    expect(await texts(collector, { lines: 4 })).toEqual(['b3', 'a4', 'a5', 'b6']);
    expect(await texts(collector, { sinceMs: 4 })).toEqual(['a4', 'a5', 'b6']);
    expect(await texts(collector, { sinceMs: 2, lines: 100 })).toEqual(['b2', 'b3', 'a4', 'a5', 'b6']);
  });

  it('give the last lines across rotated files', async () => {
    const collector = collect({ maxBytes: 2_000, files: 5 });
    const { stdout } = collector.open(owner);
    for (let index = 0; index < 150; index++) {
      appendFileSync(stdout, `line ${index}\n`);
      await collector.sync(service);
    }
    const kept = await texts(collector);
    expect(kept.at(-1)).toBe('line 149');
    expect(kept.length).toBeGreaterThan(100);
    for (const lines of [1, 2, 60, 100]) expect(await texts(collector, { lines })).toEqual(kept.slice(-lines));
    expect(await texts(collector, { lines: 10_000 })).toEqual(kept);
  });

  it('are followed across rotation, and to instances that come later', async () => {
    const collector = collect({ maxBytes: 3_000, files: 4 });
    const { stdout } = collector.open(owner);
    appendFileSync(stdout, 'line 0\n');
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { text } of readLogs(collector, service, { follow: true, signal: stop.signal })) seen.push(text);
    })();
    await until('the first line', () => seen.length === 1);
    for (let index = 1; index < 300; index++) {
      appendFileSync(stdout, `line ${index}\n`);
      if (index % 10 === 0) await until('the follower', () => seen.length === index + 1);
    }
    await until('the last line', () => seen.length === 300);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => `line ${index}`));
    expect(existsSync(join(collector.folder(service), 'greeter-1.log.3'))).toBe(true);
    appendFileSync(collector.open({ ...service, instance: 'greeter-2' }).stdout, 'second\n');
    await until('the second instance', () => seen.at(-1) === 'second');
    stop.abort();
    await following;
  });

  it('take 100 MB from a process that writes as fast as it can, without filling the memory', async () => {
    const collector = collect();
    const { stdout } = collector.open(owner);
    const code = `const line = 'x'.repeat(999) + '\\n'; for (let i = 0; i < 1e5; i++) require('fs').writeSync(1, line); console.log('last')`;
    const before = process.memoryUsage().rss;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', openSync(stdout, 'a'), 'ignore'] });
    let peak = 0;
    const watching = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    await once(child, 'exit');
    await collector.sync(service);
    clearInterval(watching);
    expect(peak - before).toBeLessThan(150e6);
    expect((await texts(collector, { lines: 1 }))[0]).toBe('last');
    await until('an empty spool', () => statSync(stdout).size === 0);
    appendFileSync(stdout, 'after\n');
    expect((await texts(collector, { lines: 2 })).at(-1)).toBe('after');
  }, 60_000);

  it('say so when output is given up', async () => {
    const collector = collect();
    const { stdout } = collector.open(owner);
    await collector.sync(service);
    writeFileSync(stdout, '');
    const { truncate } = await import('node:fs/promises');
    await truncate(stdout, 300 * 1024 * 1024);
    expect((await texts(collector))[0]).toMatch(/300 MiB of output dropped/);
  });

  it('of instances long gone are removed', () => {
    const collector = collect();
    for (let index = 0; index < 30; index++) collector.write({ ...service, instance: `old-${index}` }, 'stdout', ['x']);
    collector.open(owner);
    expect(readdirSync(collector.folder(service)).length).toBeLessThanOrEqual(21);
  });
});
