import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcess, run, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const timeout = 60_000;
const bin = join(workspaceRoot, 'apps/cli/bin/micro.mjs');
let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

/** A command in a shell, where `micro` is one. */
function shell(script: string) {
  return run('sh', ['-c', `micro() { "${process.execPath}" "${bin}" "$@"; }; ${script}`], {
    env: platform.env,
    cwd: platform.home,
  });
}

it('a program runs under a lock, knows its token, and its exit code is the command’s', { timeout }, async () => {
  const first = await shell(`micro lock a -- sh -c 'echo $MICRO_LOCK_TOKEN; exit 7'`);
  expect([first.code, first.stderr]).toEqual([7, '']);
  const second = await shell(`micro lock a --no-wait -- sh -c 'echo $MICRO_LOCK_TOKEN'`);
  expect(second.code).toBe(0);
  expect(Number(second.stdout)).toBeGreaterThan(Number(first.stdout));
  const missing = await shell('micro lock a -- no-such-program');
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('no-such-program')]);
});

it('of many at once one after the other runs', { timeout: 120_000 }, async () => {
  const work = `'test ! -e busy && touch busy && echo x >> done && sleep 0.05 && rm busy'`;
  const all = await shell(
    `for n in 1 2 3 4 5; do micro lock count -- sh -c ${work} & pids="$pids $!"; done; for p in $pids; do wait $p || exit 1; done`,
  );
  expect(all).toMatchObject({ code: 0, stderr: '' });
  expect(await readFile(join(platform.home, 'done'), 'utf8')).toBe('x\n'.repeat(5));
});

it('one that has it keeps others out, until it is done or killed', { timeout }, async () => {
  const holder = shell(`micro lock held --ttl 20s -- sh -c 'touch started; while test ! -e go; do sleep 0.05; done'`);
  await until('it runs', () => readFile(join(platform.home, 'started')).then(() => true), 30_000);
  for (const option of ['--no-wait', '--wait 300ms']) {
    const other = await shell(`micro lock held ${option} -- touch wrong`);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('somebody else has the lock "held"')]);
  }
  const next = shell('micro lock held -- test -e go');
  await shell('touch go');
  expect([(await holder).code, (await next).code]).toEqual([0, 0]);
  expect((await shell('test -e wrong')).code).toBe(1);
  const killed = await shell(`micro lock killed --ttl 1s -- sh -c 'kill -9 $PPID'`);
  expect(killed.code).not.toBe(0);
  expect((await shell('micro lock killed -- true')).code).toBe(0);
});

it('a program ends when its lock is lost', { timeout }, async () => {
  const running = shell(
    `micro lock lost --ttl 2s -- sh -c 'trap "touch told; exit 3" TERM; touch running; while :; do sleep 0.05; done'`,
  );
  await until('it runs', () => readFile(join(platform.home, 'running')).then(() => true), 30_000);
  await endProcess(platform.server);
  const { code, stderr } = await running;
  expect([code, stderr]).toEqual([1, expect.stringContaining('the lock "lost" is lost')]);
  expect((await shell('test -e told')).code).toBe(0);
});
