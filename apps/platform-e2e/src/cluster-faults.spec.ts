import { setTimeout } from 'node:timers/promises';
import {
  type BackingServers,
  backingTools,
  haveTool,
  platformServices,
  type ServerProcess,
  startBackingServers,
  startPlatform,
  type TestPlatform,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commandsOf } from './commands.js';
import { goOn, throughBothDoors } from './load.js';
import { instancesOf, runningOf } from './running.js';
import { startWorker, type Worker } from './worker.js';
import type { Use } from './worker.program.js';

const timeout = 180_000;
/** Milliseconds that servers are away: with MICRO_TEST_LONG for longer than a registration lasts that nobody renews. */
const away = process.env['MICRO_TEST_LONG'] ? 35_000 : 8_000;
/** Milliseconds in which something fails that cannot be done: a deadline of five seconds, on a machine that does other things too. */
const quick = 10_000;
/** By which something fails that needs a server that is away. */
const unavailable = { code: 'unavailable', ms: expect.toSatisfy((ms: number) => ms < quick) as number };

/** F5: under load the servers fail that a platform keeps everything in. */
describe.skipIf(!backingTools.every(haveTool))(
  'a platform on three etcd, three NATS and a PostgreSQL',
  { timeout },
  () => {
    let servers: BackingServers;
    let platform: TestPlatform;
    let worker: Worker;
    let doors: ReturnType<typeof throughBothDoors>;
    /** As they were before anything failed. */
    let processes: Awaited<ReturnType<typeof pids>>;
    let registered: Awaited<ReturnType<typeof registrations>>;
    /** How many of the worker's there were before the test. */
    let failuresBefore: number;
    const { done, refused } = commandsOf(() => platform);

    beforeAll(async () => {
      servers = await startBackingServers({ members: 3 });
      platform = await startPlatform({ servers });
      await done('run', `${workspaceRoot}examples/helloworld`, '--instances=2');
      await until('both instances run', async () => (await runningOf(platform, 'helloworld')) === 2, 30_000);
      worker = await startWorker(platform);
      await worker.more(20);
      processes = await pids();
      registered = await registrations();
    }, 180_000);
    beforeEach(async () => {
      failuresBefore = worker.failures.length;
      // Few, so that servers that share the machine with them can hold their elections.
      doors = throughBothDoors(platform, 2);
      await goOn(doors.loads, 50);
    });
    afterEach(async () => {
      for (const one of doors.loads) await one.stop();
      doors.close();
    });
    afterAll(async () => {
      await worker?.[Symbol.asyncDispose]();
      await platform?.stop();
      await servers?.[Symbol.asyncDispose]();
    });

    const pids = async () => [
      ...platformServices.map((name) => platform.pid(name)),
      ...(await instancesOf(platform, 'helloworld')).map(({ pid, restarts }) => ({ pid, restarts })),
    ];
    const registrations = async () => {
      const services = JSON.parse(await done('services', '-o', 'json')) as Record<
        'name' | 'version' | 'nodes',
        unknown
      >[];
      return services.map(({ name, version, nodes }) => ({ name, version, nodes }));
    };
    /** Of the worker, in this test. */
    const failures = (use?: Use) =>
      worker.failures.slice(failuresBefore).filter(({ failed }) => !use || failed === use);
    const failedFor = (...uses: Use[]) =>
      until('what needs them fails', () => uses.every((use) => failures(use).length > 0), 30_000);

    /** Everything is as if nothing had happened, and all that was acknowledged is there. */
    const unharmed = async () => {
      await worker.more(20);
      await worker.caughtUp();
      await goOn(doors.loads, 50);
      for (const one of doors.loads) expect(one.failures()).toEqual([]);
      expect(failures('call')).toEqual([]);
      expect(await pids()).toEqual(processes);
      expect(await registrations()).toEqual(registered);

      const inOrder = worker.got('followed event').map((_, index) => index);
      expect(worker.got('followed event')).toEqual(inOrder);
      // What comes again comes late by its nature.
      const handled = [...new Set(worker.got('handled event'))];
      expect(handled).toEqual(handled.map((_, index) => index));
      const [events, records] = [worker.done('event'), worker.done('record')];
      const printed = (await done('events', 'read', 'events', '--limit=1000000', '-o', 'raw')).trim().split('\n');
      const kept = printed.map((line) => (JSON.parse(line) as { number: number }).number);
      expect(kept).toEqual(kept.map((_, index) => index));
      expect(kept.length).toBeGreaterThanOrEqual(events);
      const list = await done('store', 'list', '--table=records', '--limit=1000000', '-o', 'json');
      const keys = new Set((JSON.parse(list) as { key: string }[]).map(({ key }) => Number(key)));
      expect(Array.from({ length: records }, (_, key) => key).filter((key) => !keys.has(key))).toEqual([]);
    };
    /** One after the other: each is back before the next goes. */
    const killed = async (members: readonly ServerProcess[]) => {
      for (const member of members) {
        await member.kill();
        await worker.more(10);
        await goOn(doors.loads, 50);
        await member.start();
      }
    };
    /** All at once, for a while. */
    const stopped = async (members: readonly ServerProcess[], meanwhile: () => Promise<unknown>) => {
      const back = setTimeout(away);
      await Promise.all(members.map((member) => member.stop()));
      try {
        await meanwhile();
        await back;
      } finally {
        await Promise.all(members.map((member) => member.start()));
      }
    };

    it('goes on when members of etcd are killed, one after the other, and nobody notices', async () => {
      await killed(servers.etcd.members);
      await unharmed();
      expect(failures()).toEqual([]);
    });

    it('goes on when members of NATS are killed, one after the other', async () => {
      await killed(servers.nats.members);
      await unharmed();
      // While there is an election.
      for (const failure of failures()) expect(failure).toMatchObject(unavailable);
      expect(failures('record')).toEqual([]);
    });

    it('without etcd goes on with the registrations that it knows', async () => {
      await stopped(servers.etcd.members, async () => {
        const began = performance.now();
        const error = await refused('register', 'legacy', '--address=127.0.0.1:9');
        expect(error).toMatch(/etcd at .*unavailable/);
        expect(performance.now() - began).toBeLessThan(quick);
        expect(await registrations()).toEqual(registered);
      });
      await unharmed();
      expect(failures()).toEqual([]);
      await done('register', 'legacy', '--address=127.0.0.1:9', '--ttl=1m');
      await done('deregister', 'legacy', '--address=127.0.0.1:9');
    });

    it('without NATS refuses messages and events, clearly and quickly', async () => {
      await stopped(servers.nats.members, () => failedFor('message', 'event'));
      await unharmed();
      expect(failures('record')).toEqual([]);
      for (const failure of failures()) expect(failure).toMatchObject(unavailable);
    });

    it('without PostgreSQL refuses to read and write records, clearly and quickly', async () => {
      await stopped([servers.postgres.server], () => failedFor('record'));
      await unharmed();
      expect(failures().filter(({ failed }) => failed !== 'record')).toEqual([]);
      for (const failure of failures()) expect(failure).toMatchObject(unavailable);
    });
  },
);
