import { Client, fixedTargets } from '@micro/rpc';
import { openStore, type Store } from '@micro/store';
import { MicroError } from '@micro/errors';
import {
  checkLinearizable,
  compileProgram,
  freePorts,
  type Model,
  type Operation,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const timeout = 60_000;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let start: () => Promise<Program>;
let program: Program;
let client: Client;
let store: Store;

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
    return program;
  };
  await start();
  client = new Client({ discovery: fixedTargets(`127.0.0.1:${port}`), timeout: 3_000 });
  store = await openStore({ adapter: 'remote', client });
});
afterEach(async () => {
  await store.close();
  await client.close();
  await program.stop();
  await folder[Symbol.asyncDispose]();
});

async function end(how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  program.child.kill(how);
  await program.exited;
}

const number = (value: Uint8Array) => Number(Buffer.from(value).toString());

describe.each(['SIGKILL', 'SIGTERM'] as const)('after %s and a new start', (how) => {
  it('a watch goes on, and is told what changed meanwhile', { timeout }, async () => {
    const told: string[] = [];
    const watching = (async () => {
      for await (const event of store.watch({ prefix: 'w/' })) {
        if (event.type === 'written') told.push(`${event.record.key} ${Buffer.from(event.record.value).toString()}`);
        else told.push(event.type === 'deleted' ? `${event.key} deleted` : 'synced');
      }
    })();
    const write = (key: string, text: string) => store.write({ key: `w/${key}`, value: Buffer.from(text) });
    await write('a', '1');
    await write('b', '1');
    await until('both are told', () => told.includes('w/a 1') && told.includes('w/b 1'));
    await end(how);
    await start();
    await until('it can be written again', () =>
      write('c', '2').then(
        () => true,
        () => false,
      ),
    );
    await write('a', '2');
    await store.delete('w/b');
    await until('all is told', () => ['w/c 2', 'w/a 2', 'w/b deleted'].every((line) => told.includes(line)), 15_000);
    // Nothing twice in a row as it was, synced once.
    expect(told.filter((line) => line === 'synced')).toHaveLength(1);
    expect(told.filter((line) => line.startsWith('w/a'))).toEqual(['w/a 1', 'w/a 2']);
    await store.close();
    await watching;
  });
});

it('64 writers by compare-and-set go on over kill -9 of the app, and lose nothing', { timeout }, async () => {
  type Input = { readonly type: 'read' } | { readonly type: 'cas'; readonly from: number; readonly to: number };
  const counter: Model<number, Input, number | boolean> = {
    initial: 0,
    step(state, input, output) {
      if (input.type === 'read') return output === undefined || output === state ? [state] : [];
      const taken = state === input.from;
      if (output === undefined) return [taken ? input.to : state];
      return output === taken ? [taken ? input.to : state] : [];
    },
    idle: (input, output) => input.type === 'read' || output === false,
    key: String,
  };
  await store.write({ key: 'counter', value: Buffer.from('0') });
  const operations: Operation<Input, number | boolean>[] = [];
  let running = true;
  /** What came of it; undefined where nobody can know. */
  const recorded = async (who: number, input: Input, ask: () => Promise<number | boolean>) => {
    const called = process.hrtime.bigint();
    let output: number | boolean | undefined;
    try {
      output = await ask();
    } catch (error) {
      const { code } = MicroError.from(error);
      if (code === 'aborted') output = false;
      else if (code !== 'unavailable' && code !== 'deadline_exceeded') throw error;
    }
    const returned = output === undefined ? undefined : process.hrtime.bigint();
    // A read that failed says nothing.
    if (input.type === 'cas' || output !== undefined) operations.push({ client: who, input, output, called, returned });
    return output;
  };
  const writer = async (who: number) => {
    while (running) {
      let version = 0n;
      const from = await recorded(who, { type: 'read' }, async () => {
        const record = await store.read('counter');
        version = record.version;
        return number(record.value);
      });
      if (typeof from !== 'number') continue;
      const value = Buffer.from(`${from + 1}`);
      await recorded(who, { type: 'cas', from, to: from + 1 }, async () => {
        await store.write({ key: 'counter', value }, { ifVersion: version });
        return true;
      });
    }
  };
  const writers = Array.from({ length: 64 }, (_, who) => writer(who));
  const taken = () => operations.filter(({ input, output }) => input.type === 'cas' && output === true).length;
  for (let round = 0; round < 3; round++) {
    const before = taken();
    await until('writes are acknowledged', () => taken() > before + 20, 20_000);
    await end('SIGKILL');
    await start();
  }
  const before = taken();
  await until('writes go on', () => taken() > before + 20, 20_000);
  running = false;
  await Promise.all(writers);
  const last = number((await store.read('counter')).value);
  const known = operations.filter(({ output }) => output !== undefined);
  // The counter only grows, so that of those that change the same number one took effect at most: a known one, or the earliest will do.
  const settled = new Set(known.map(({ input, output }) => input.type === 'cas' && output === true && input.from));
  const unknown = new Map<number, Operation<Input, number | boolean>>();
  for (const operation of operations) {
    const { input, output, called } = operation;
    if (output !== undefined || input.type === 'read' || settled.has(input.from)) continue;
    if (called < (unknown.get(input.from)?.called ?? called + 1n)) unknown.set(input.from, operation);
  }
  expect(last).toBeGreaterThanOrEqual(taken());
  expect(last).toBeLessThanOrEqual(taken() + unknown.size);
  expect(checkLinearizable(counter, [...known, ...unknown.values()])).toEqual({ linearizable: true });
});
