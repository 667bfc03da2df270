import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  checkLinearizable,
  compileProgram,
  type LockInput,
  lockModel,
  type Operation,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../open.js';
import type { ContendOrder, Did, WorkOrder } from './locks.program.js';
import type { LocksConfig } from './open.js';

const timeout = 180_000;
const ttl = 1_500;
/** Where a program finds better-sqlite3, which is in no bundle. */
const nativePackages = { NODE_PATH: join(workspaceRoot, 'node_modules') };

export interface LockProcessesOptions {
  /** As every process opens them. */
  readonly config: () => LocksConfig;
  /** What else goes wrong while processes contend; called once they do. */
  readonly fault?: () => Promise<void>;
}

/** Locks between processes that are killed and stopped, on an adapter that they share. */
export function lockProcesses(adapter: string, { config, fault }: LockProcessesOptions): void {
  describe(`${adapter} locks between processes`, { timeout }, () => {
    let compiled: Awaited<ReturnType<typeof temporaryFolder>>;
    let program: string;
    let programs: Program[] = [];

    beforeAll(async () => {
      compiled = await temporaryFolder();
      program = await compileProgram(new URL('locks.program.ts', import.meta.url), compiled.path);
    });
    afterEach(async () => {
      await Promise.all(programs.map(kill));
      programs = [];
    });
    afterAll(() => compiled[Symbol.asyncDispose]());

    const start = (what: 'contend' | 'work' | 'stop', order: ContendOrder | WorkOrder) => {
      const args = [what, JSON.stringify(config()), JSON.stringify(order)];
      const started = startProgram(program, nativePackages, args);
      programs.push(started);
      return started;
    };
    const had = (by: Program) => operationsOf([by]).filter(isHad).length;

    it('are had by one at a time, with greater tokens, though holders are killed and stopped', async () => {
      const name = randomUUID();
      let clients = 0;
      const contend = () => start('contend', { name, clients: [clients++, clients++], ttl });
      const going = [contend(), contend(), contend()];
      const all = [...going];
      const allOf = async (what: string, isSo: (one: Program) => boolean) =>
        until(what, () => going.every(isSo), 60_000).catch((error: Error) => {
          throw new Error(`${error.message}: ${all.map(({ output }) => output().slice(-300)).join('\n')}`);
        });
      const each = (what: string, count: number) => allOf(what, (one) => had(one) >= count);
      await each('all have had it', 2);
      await fault?.();
      for (let round = 0; round < 3; round++) {
        const victim = going.shift() as Program;
        const before = all.map(had);
        if (round === 1) {
          process.kill(victim.pid, 'SIGSTOP');
          const others = () => all.some((one, at) => one !== victim && had(one) > (before[at] ?? 0) + 2);
          await until('others have it', others, 60_000);
          process.kill(victim.pid, 'SIGCONT');
          going.push(victim);
        } else {
          await kill(victim);
          const next = contend();
          going.push(next);
          all.push(next);
        }
        await each('all go on', 2);
      }
      for (const one of going) one.child.kill('SIGTERM');
      await allOf('all have ended', ({ output }) => output().endsWith('end\n'));
      const operations = operationsOf(all);
      expect(operations.filter(isHad).length).toBeGreaterThan(20);
      expect(checkLinearizable(lockModel, operations)).toEqual({ linearizable: true });
    });

    it('of one that was stopped for longer than ttl protect what they guard, and it is told', async () => {
      await using folder = await temporaryFolder();
      const store = await openStore({ adapter: 'file', folder: folder.path });
      await store.write({ key: 'counter', value: Buffer.from('0') });
      const order = { name: randomUUID(), ttl, folder: folder.path };
      const stopped = start('stop', order);
      await until('it has read', () => stopped.output().includes('read 0'), 60_000);
      const next = start('work', order);
      await until('the next is done', () => next.output().endsWith('end\n'), 60_000);
      process.kill(stopped.pid, 'SIGCONT');
      await until('it has ended', () => stopped.output().endsWith('end\n'), 60_000);
      const [first, second] = [stopped, next].map(({ output }) => output().trim().split('\n').slice(1));
      expect(first).toEqual(['read 0', 'refused aborted', 'refused failed_precondition', 'told aborted', 'end']);
      expect(second).toEqual(['read 0', 'wrote', 'end']);
      expect(Buffer.from((await store.read('counter')).value).toString()).toBe('1');
      await store.close();
    });
  });
}

async function kill({ child, exited }: Program): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

/** What programs have said that they did, and that locks which were not released may have been lost. */
function operationsOf(programs: readonly Program[]): Operation<LockInput, bigint>[] {
  const done = programs.flatMap((program) => didBy(program));
  const released = new Set(
    done.filter(({ type, output }) => type === 'release' && output !== undefined).map(({ token }) => token),
  );
  const lost = new Set(done.filter(({ type, output }) => type === 'hold' && output === '0').map(({ token }) => token));
  const operations = done.map(({ client, type, token, output, called, returned }): Operation<LockInput, bigint> => {
    const input: LockInput = type === 'acquire' ? { type } : { type, token: BigInt(token) };
    const known = output !== undefined;
    return {
      client,
      input,
      output: known ? BigInt(output) : undefined,
      called: BigInt(called),
      returned: known ? BigInt(returned) : undefined,
    };
  });
  const expired = operations.flatMap(({ client, input, output, called }): Operation<LockInput, bigint>[] => {
    if (input.type !== 'acquire' || !output || (released.has(`${output}`) && !lost.has(`${output}`))) return [];
    return [{ client, input: { type: 'expire', token: output }, output: undefined, called, returned: undefined }];
  });
  return [...operations, ...expired];
}

/** Its lines, without the last where it may be cut off. */
function didBy(program: Program): Did[] {
  const lines = program.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('did ')).map((line) => JSON.parse(line.slice(4)) as Did);
}

function isHad({ input, output }: Operation<LockInput, bigint>): boolean {
  return input.type === 'acquire' && output !== undefined && output > 0n;
}
