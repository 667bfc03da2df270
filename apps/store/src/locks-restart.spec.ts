import { Client, fixedTargets } from '@micro/rpc';
import { type Lock, type Locks, openLocks } from '@micro/store';
import {
  checkLinearizable,
  compileProgram,
  freePorts,
  type LockInput,
  lockModel,
  type Operation,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';

const timeout = 120_000;
const ttl = 5_000;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let start: () => Promise<void>;
let program: Program;
let client: Client;
let opened: Locks[];

beforeEach(async () => {
  folder = await temporaryFolder();
  const [port, mdnsPort] = (await freePorts(2)) as [number, number];
  const file = await compileProgram(new URL('main.ts', import.meta.url), folder.path);
  const env = {
    MICRO_PROFILE: 'local',
    MICRO_ADDRESS: `127.0.0.1:${port}`,
    MICRO_MDNS_PORT: `${mdnsPort}`,
    MICRO_HOME: folder.path,
    MICRO_STOP_DELAY: '0',
    NODE_PATH: `${workspaceRoot}node_modules`,
  };
  start = async () => {
    program = startProgram(file, env);
    await program.ready();
  };
  await start();
  client = new Client({ discovery: fixedTargets(`127.0.0.1:${port}`), timeout: 3_000 });
  opened = await Promise.all([1, 2, 3].map(() => openLocks({ adapter: 'remote', client })));
});
afterEach(async () => {
  await Promise.all(opened.map((locks) => locks.close()));
  await client.close();
  await program.stop();
  await folder[Symbol.asyncDispose]();
});

async function end(how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  program.child.kill(how);
  await program.exited;
}

it(
  'locks are had by one at a time while the app is killed and started again, each time with a greater token',
  { timeout },
  async () => {
    const operations: Operation<LockInput, bigint>[] = [];
    let running = true;
    const recorded = async (who: number, input: LockInput, ask: () => Promise<bigint | undefined>) => {
      const called = process.hrtime.bigint();
      const output = await ask();
      const returned = output === undefined ? undefined : process.hrtime.bigint();
      operations.push({ client: who, input, output, called, returned });
      return output;
    };
    const contender = async (who: number) => {
      const locks = opened[who % opened.length] as Locks;
      while (running) {
        let lock: Lock | undefined;
        const begun = process.hrtime.bigint();
        await recorded(who, { type: 'acquire' }, async () => {
          lock = await locks.acquire('a', { ttl, wait: 10_000 }).catch(() => undefined);
          return lock?.token ?? 0n;
        });
        if (!lock) continue;
        const { token } = lock;
        const held = await recorded(who, { type: 'hold', token }, async () => (lock?.held ? token : 0n));
        const released = await recorded(who, { type: 'release', token }, () =>
          (lock as Lock).release().then(
            () => token,
            () => undefined,
          ),
        );
        if (held === token && released !== undefined) continue;
        const lost: LockInput = { type: 'expire', token };
        operations.push({
          client: who,
          input: lost,
          output: undefined,
          called: begun,
          returned: undefined,
        });
      }
    };
    const contenders = [0, 1, 2, 3, 4, 5].map(contender);
    const had = () => operations.filter(({ input, output }) => input.type === 'acquire' && output).length;
    for (const how of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      const before = had();
      await until('the lock is had', () => had() > before + 10, 40_000);
      await end(how);
      await start();
    }
    const before = had();
    await until('the lock is had again', () => had() > before + 10, 40_000);
    running = false;
    await Promise.all(contenders);
    expect(checkLinearizable(lockModel, operations)).toEqual({ linearizable: true });
  },
);

it('a lock that is had, and one that is waited for, outlive kill -9 of the app', { timeout }, async () => {
  const [mine, theirs] = opened as [Locks, Locks];
  const lock = await mine.acquire('a', { ttl: 30_000 });
  const next = theirs.acquire('a', { ttl: 30_000 });
  await expect(mine.take('a', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
  await end('SIGKILL');
  await start();
  await until('it can be renewed', () => lock.renew().then(() => true));
  expect(lock.held).toBe(true);
  await lock.release();
  expect((await next).token).toBeGreaterThan(lock.token);
});
