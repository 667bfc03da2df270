import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const bin = join(workspaceRoot, 'apps/cli/bin/micro.mjs');
let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

/** What a command prints that must succeed. */
async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await platform.micro(...args);
  expect(stderr, args.join(' ')).not.toMatch(/^error/m);
  expect(code, args.join(' ')).toBe(0);
  return stdout;
}

/** A command that goes on until it is told to stop, by ctrl-c. */
function going(...args: string[]) {
  const child = spawn(process.execPath, [bin, ...args], { env: platform.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const exited = new Promise<NodeJS.Signals | number | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  const stop = () => {
    child.kill('SIGINT');
    return exited;
  };
  return { stdout: () => stdout, stderr: () => stderr, stop };
}

/** A command in a shell, where `micro` is one. */
function shell(script: string) {
  return run('sh', ['-c', `set -e; micro() { "${process.execPath}" "${bin}" "$@"; }; ${script}`], {
    env: platform.env,
    cwd: platform.home,
  });
}

describe('messages', () => {
  it('come to whoever is subscribed, and once to a queue', async () => {
    const one = going('subscribe', 'orders');
    const queue = [going('subscribe', 'orders', '--queue', 'q'), going('subscribe', 'orders', '--queue', 'q')];
    await until('all are subscribed', () => [one, ...queue].every((each) => each.stderr().includes('subscribed')));
    await done('publish', 'orders', '{"item":"tea"}');
    const { code } = await shell(`printf '{"item":1}\\n{"item":2}\\n' | micro publish orders -`);
    expect(code).toBe(0);
    await until('all have come', () => one.stdout().trim().split('\n').length === 3);
    await until(
      'each is taken once',
      () =>
        queue
          .map((each) => each.stdout())
          .join('')
          .trim()
          .split('\n').length === 3,
    );
    expect(one.stdout()).toContain('tea');
    expect(await Promise.all([one, ...queue].map((each) => each.stop()))).toEqual([0, 0, 0]);
  });

  it('keep every digit', async () => {
    const subscribed = going('subscribe', 'numbers', '--count', '1');
    await until('it is subscribed', () => subscribed.stderr().includes('subscribed'));
    await done('publish', 'numbers', '{"n": 9007199254740993, "x": 1.10}');
    await until('it has come', () => subscribed.stdout().includes('{"n": 9007199254740993, "x": 1.10}'));
  });

  it('that are no JSON are refused with what to do', async () => {
    const { code, stderr } = await platform.micro('publish', 'orders', 'tea');
    expect(code).not.toBe(0);
    expect(stderr).toContain('JSON');
  });
});

describe('events', () => {
  it('are kept, read, followed and consumed on from where a group was', async () => {
    for (const n of [1, 2]) await done('events', 'publish', 'placed', `{"order":${n}}`);
    expect((await done('events', 'read', 'placed')).match(/"order"/g)).toHaveLength(2);
    const following = going('events', 'follow', 'placed');
    const consuming = going('events', 'consume', 'placed', '--group', 'mail');
    await until('both are consumed', () => (consuming.stdout().match(/"order"/g) ?? []).length === 2);
    let sent = 0;
    const followed = async () => {
      await done('events', 'publish', 'placed', '{"order":3}');
      sent++;
      return following.stdout().includes('"order":3');
    };
    await until('what is published from now on is followed', followed, 20_000);
    expect(following.stdout()).not.toContain('"order":2');
    await until('all of it is consumed', () => consuming.stdout().match(/"order":3/g)?.length === sent);
    expect(await Promise.all([following.stop(), consuming.stop()])).toEqual([0, 0]);
    await done('events', 'publish', 'placed', '{"order":4}');
    const again = going('events', 'consume', 'placed', '--group', 'mail');
    await until('it goes on', () => again.stdout().includes('"order":4'));
    expect(again.stdout()).not.toContain('"order":3');
    expect(await again.stop()).toBe(0);
    expect(JSON.parse(await done('events', 'dead', 'placed', '-o', 'json'))).toEqual([]);
  });
});

describe('dead letters', () => {
  it('are listed, given out again, and removed', async () => {
    for (const n of [1, 2, 3]) await done('events', 'publish', 'letters', `{"n":${n}}`);
    const service = `
      import { close, open, stream } from '@micro/service';
      await open({ name: 'rejecting' });
      for await (const delivery of stream('letters').consume({ group: 'mail' })) {
        await delivery.reject('no address');
        if (delivery.value.n === 3) break;
      }
      await close();`;
    const env = { ...platform.env, MICRO_PROFILE: 'service' };
    const rejected = await run(process.execPath, ['--input-type=module', '-e', service], { env, cwd: workspaceRoot });
    expect(rejected).toMatchObject({ code: 0 });
    expect(await done('events', 'dead', 'letters')).toMatch(
      /offset +group +attempts.*\n.*mail +1 .*no address.*"n":1/i,
    );
    const dead = JSON.parse(await done('events', 'dead', 'letters', '--group', 'mail', '-o', 'json')) as object[];
    expect(dead).toMatchObject(
      [1, 2, 3].map((n) => ({ offset: `${n}`, group: 'mail', reason: 'no address', body: { n } })),
    );
    await done('events', 'replay', 'letters', '2', '--group', 'mail');
    expect(await done('events', 'consume', 'letters', '--group', 'mail', '--count', '1')).toContain('{"n":2}');
    await done('events', 'dead', 'letters', '3', '--group', 'mail', '--drop');
    expect(JSON.parse(await done('events', 'dead', 'letters', '-o', 'json'))).toMatchObject([{ offset: '1' }]);
    expect((await platform.micro('events', 'replay', 'letters', 'x', '--group', 'mail')).stderr).toContain('no offset');
  });
});

describe('records', () => {
  it('are written, read, listed and deleted, binary ones through pipes', async () => {
    await done('store', 'write', 'a/1', 'tea');
    expect(await done('store', 'read', 'a/1')).toBe('tea\n');
    await writeFile(join(platform.home, 'in'), randomBytes(100_000));
    const { code } = await shell('micro store write a/2 - < in; micro store read a/2 -o raw > out; cmp in out');
    expect(code).toBe(0);
    const listed = JSON.parse(await done('store', 'list', '-o', 'json')) as readonly { readonly key: string }[];
    expect(listed.map(({ key }) => key)).toEqual(['a/1', 'a/2']);
    await done('store', 'delete', 'a/1');
    const { code: gone, stderr } = await platform.micro('store', 'read', 'a/1');
    expect(gone).not.toBe(0);
    expect(stderr).toContain('not_found');
  });

  it('are watched by prefix', async () => {
    const watching = going('store', 'watch', 'w/');
    const seen = async () => {
      await platform.micro('store', 'write', 'w/x', 'seen');
      return watching.stdout().includes('w/x');
    };
    await until('a change is seen', seen, 20_000);
    await done('store', 'delete', 'w/x');
    await until('the deletion is seen', () => watching.stdout().includes('delete'));
    expect(await watching.stop()).toBe(0);
  });

  it('are back from a snapshot', async () => {
    await done('store', 'write', 's/1', 'before');
    const file = join(platform.home, 'all.snap');
    await done('store', 'snapshot', file);
    await done('store', 'write', 's/1', 'after');
    await done('store', 'write', 's/2', 'more');
    await done('store', 'restore', file);
    expect(await done('store', 'read', 's/1')).toBe('before\n');
    expect((await platform.micro('store', 'read', 's/2')).code).not.toBe(0);
    const damaged = await readFile(file);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0xff;
    await writeFile(file, damaged);
    const refused = await platform.micro('store', 'restore', file);
    expect(refused.code).not.toBe(0);
    expect(await done('store', 'read', 's/1')).toBe('before\n');
  });
});

describe('blobs', () => {
  it('of 64 MB go through files and pipes unchanged', async () => {
    await writeFile(join(platform.home, 'large'), randomBytes(64 * 1024 * 1024));
    const { code, stderr } = await shell(
      'micro blob put one large; micro blob get one | cmp - large; cat large | micro blob put two -; micro blob get two copy; cmp large copy',
    );
    expect(stderr).not.toContain('differ');
    expect(code).toBe(0);
    const listed = JSON.parse(await done('blob', 'list', '-o', 'json')) as readonly Record<string, string>[];
    expect(listed.map(({ key }) => key)).toEqual(['one', 'two']);
    expect(listed[0]?.['sha256']).toBe(listed[1]?.['sha256']);
    await done('blob', 'delete', 'one', 'two');
    expect((await platform.micro('blob', 'get', 'one')).code).not.toBe(0);
  }, 60_000);

  /** What is seen on a terminal of so many columns while a slow pipe brings the content piece by piece. */
  const onTerminal = async (columns: number, command: string) => {
    await writeFile(join(platform.home, 'piece'), randomBytes(8 * 1024 * 1024));
    const slowly = 'for n in 1 2 3 4 5; do cat piece; sleep 0.3; done';
    const typed = `stty cols ${columns}; (${slowly}) | "${process.execPath}" "${bin}" ${command}`;
    const { stdout } = await run('timeout', ['30', 'script', '-qec', typed, '/dev/null'], {
      env: platform.env,
      cwd: platform.home,
    });
    return stdout;
  };

  it('show on a terminal how far they are, and without a word where nothing can be drawn over', async () => {
    expect(await onTerminal(80, 'blob put shown -')).toMatch(/writing shown: \d+\.\d MiB[^]*wrote shown: 40\.0 MiB/);
    expect(await onTerminal(0, 'blob put dull -')).toMatch(/^wrote dull: 40\.0 MiB, sha256 \w+\s*$/);
    const shown = await run(
      'script',
      ['-qec', `stty cols 80; "${process.execPath}" "${bin}" blob get shown copy`, '/dev/null'],
      {
        env: platform.env,
        cwd: platform.home,
      },
    );
    expect(shown.stdout).toMatch(/reading shown[^]*read 40\.0 MiB to copy/);
  }, 60_000);
});
