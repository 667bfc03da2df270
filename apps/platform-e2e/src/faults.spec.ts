import {
  healthy,
  type PlatformService,
  platformServices,
  startPlatform,
  type TestPlatform,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { alice, goOn as calls, grpcCaller, load, throughBothDoors } from './load.js';
import { type Instance, instancesOf, nodesOf, runningOf } from './running.js';

describe('faults', () => {
  let platform: TestPlatform;
  const open: { close(): void }[] = [];
  beforeAll(async () => {
    platform = await startPlatform();
    const ran = await platform.micro('run', `${workspaceRoot}examples/helloworld`, '--instances=2');
    expect(ran.stderr + ran.stdout).toContain('helloworld');
    await until('both instances run', async () => (await runningOf(platform, 'helloworld')) === 2);
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  afterAll(() => platform?.stop());

  const instances = () => instancesOf(platform, 'helloworld');
  const nodes = () => nodesOf(platform, 'helloworld');
  /** Load through gateway and proxy at once. */
  const bothDoors = () => {
    const doors = throughBothDoors(platform);
    open.push(doors);
    return doors.loads;
  };

  it('F1: a rolling restart under load loses no call', async () => {
    const before = await instances();
    const loads = bothDoors();
    await calls(loads, 200);
    const { code, stderr } = await platform.micro('update', 'helloworld');
    expect(stderr).not.toMatch(/error/i);
    expect(code).toBe(0);
    await calls(loads, 200);
    for (const one of loads) await one.stop();
    for (const one of loads) expect(one.failures()).toEqual([]);
    const after = await instances();
    expect(after.map(({ pid }) => pid).sort()).not.toEqual(before.map(({ pid }) => pid).sort());
    expect(after.filter(({ status }) => status === 'running')).toHaveLength(2);
  }, 60_000);

  it('F4: a stopped instance times out, is ejected, and comes back', async () => {
    const [victim] = (await instances()) as [Instance];
    const loads = bothDoors();
    await calls(loads, 100);
    process.kill(victim.pid, 'SIGSTOP');
    try {
      await until('calls time out', () => loads.every((one) => one.failures().length > 0), 20_000);
      for (const one of loads) for (const { error } of one.failures()) expect(error).toMatch(/deadline|504|DEADLINE/i);
      // Ejected: calls succeed again, one after the other, while it is still stopped.
      const failed = loads.map((one) => one.failures().length);
      await calls(loads, 300);
      loads.forEach((one, index) => expect(one.failures().length - (failed[index] as number)).toBeLessThanOrEqual(8));
    } finally {
      process.kill(victim.pid, 'SIGCONT');
    }
    for (const one of loads) await one.stop();
    const served = async () =>
      Number(
        /micro_rpc_server_duration_seconds_count\{method="\/helloworld\.Helloworld\/Call",code="ok"\} (\d+)/.exec(
          await (await fetch(`http://${victim.address}/metrics`)).text(),
        )?.[1] ?? 0,
      );
    const before = await served();
    const again = bothDoors();
    await until('it serves again', async () => (await served()) > before + 50, 45_000);
    for (const one of again) expect((await one.stop()).filter(({ error }) => error)).toEqual([]);
  }, 120_000);

  it.each(platformServices)(
    'F3: kill -9 of %s: whole again within five seconds, calls between services not affected',
    async (name: PlatformService) => {
      const pid = platform.pid(name);
      const [address] = await nodes();
      const direct = grpcCaller(address as string, '/helloworld.Helloworld/Call', alice);
      open.push(direct);
      // A door that is gone is noticed by whoever calls through it, and by nobody else.
      const loads = name === 'proxy' || name === 'api' ? [load(direct.call)] : [...bothDoors(), load(direct.call)];
      await calls(loads, 100);
      const killed = Date.now();
      process.kill(pid, 'SIGKILL');
      await until('it is a new process', () => platform.pid(name) !== pid, 5_000);
      await until(
        'the platform is whole',
        () => healthy(Object.values(platform.address)),
        Math.max(1, 5_000 - (Date.now() - killed)),
      );
      await calls(loads, 100);
      for (const one of loads) await one.stop();
      for (const one of loads) expect(one.failures()).toEqual([]);
      await until('services are listed', async () => (await nodes()).length === 2);
      expect(await runningOf(platform, 'helloworld')).toBe(2);
    },
    60_000,
  );
});
