import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CreateService, LogLine, LogsQuery, Progress, Runtime, RuntimeOptions, Service } from './runtime.js';

/** What an adapter can do beyond the rest. */
export interface RuntimeCapabilities {
  /** Sources are folders of this machine, built where they are. Else they are refused as unimplemented. */
  readonly folders: boolean;
  /** Programs of this machine. Else they are refused as unimplemented. */
  readonly commands: boolean;
  /** Rebuilds on change. */
  readonly watch: boolean;
}

export interface OpenedRuntime {
  readonly runtime: Runtime;
  /** Ends the runtime and what stands behind it. */
  readonly close: () => Promise<void>;
}

/** Says its arguments and environment, and goes on. */
export const program = `
  console.log('hello from', process.env.MICRO_NAME, process.env.GREETING ?? 'nobody');
  console.error('a warning');
  setInterval(() => undefined, 1000);
`;

/** The executable contract: every adapter passes it. `home` is an empty folder for its data. */
export function runtimeContract(
  adapter: string,
  can: RuntimeCapabilities,
  open: (home: string) => Promise<OpenedRuntime>,
): void {
  describe(`runtime contract: ${adapter}`, () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let opened: OpenedRuntime;
    let runtime: Runtime;

    beforeEach(async () => {
      folder = await temporaryFolder();
      opened = await open(join(folder.path, 'home'));
      runtime = opened.runtime;
    });
    afterEach(async () => {
      await opened.close();
      await folder[Symbol.asyncDispose]();
    });

    /** A source with these files. */
    const source = (name: string, files: Readonly<Record<string, string>> = { 'main.ts': program }): string => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder.path, name, path)), { recursive: true });
        writeFileSync(join(folder.path, name, path), text);
      }
      return join(folder.path, name);
    };
    const create = (request: CreateService, options?: RuntimeOptions) => last(runtime.create(request, options));
    const command = (code: string) => [process.execPath, '-e', code];
    const one = async (name: string, options?: RuntimeOptions): Promise<Service> => {
      const [service] = await runtime.read({ name }, options);
      if (!service) throw new Error(`no service ${name}`);
      return service;
    };
    const texts = async (query: LogsQuery) =>
      (await all(runtime.logs(query))).filter(({ instance }) => instance !== 'build').map(({ text }) => text);
    const alive = (pid: number) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };

    describe.runIf(can.folders)('with a folder', () => {
      it('builds, starts and tells each step', async () => {
        const steps: Progress[] = [];
        for await (const progress of runtime.create({
          source: source('greeter'),
          env: { GREETING: 'Alice' },
          metadata: { team: 'a' },
        }))
          steps.push(progress);
        expect(steps.map(({ status }) => status)).toEqual(expect.arrayContaining(['building', 'starting', 'running']));
        expect(steps.slice(0, -1).every(({ service, step }) => service === undefined && step !== '')).toBe(true);
        const { service } = steps.at(-1) as Progress;
        expect(service).toMatchObject({
          name: 'greeter',
          version: 'latest',
          source: join(folder.path, 'greeter'),
          command: [],
          metadata: { team: 'a' },
          status: 'running',
          message: '',
          wanted: 1,
          watch: false,
        });
        expect(service?.instances).toMatchObject([{ status: 'running', restarts: 0, message: '' }]);
        expect(Date.now() - (service as Service).updatedMs).toBeLessThan(60_000);
        expect(await runtime.read()).toEqual([service]);
        await until('its words', async () => (await texts({ name: 'greeter' })).includes('hello from greeter Alice'));
      });

      it('shows what the compiler says, as the status and in the log', async () => {
        const service = await create({ source: source('broken', { 'main.ts': 'const a = ;' }) });
        expect(service).toMatchObject({
          status: 'error',
          message: expect.stringMatching(/main\.ts:1:\d+/),
          instances: [],
        });
        expect(await one('broken')).toEqual(service);
        const said = await all(runtime.logs({ name: 'broken' }));
        expect(
          said.some(
            ({ instance, stream, text }) => instance === 'build' && stream === 'stderr' && text.includes('const a = ;'),
          ),
        ).toBe(true);
      });

      it('takes the place of one that is broken, without force', async () => {
        await create({ source: source('fixed', { 'main.ts': 'const a = ;' }) });
        expect(await create({ source: source('fixed') })).toMatchObject({ status: 'running', message: '' });
      });

      it('keeps the old instances when an update cannot be built', async () => {
        const before = await create({ source: source('steady') });
        source('steady', { 'main.ts': 'const a = ;' });
        const after = await last(runtime.update({ name: 'steady' }));
        expect(after).toMatchObject({ status: 'running', message: expect.stringContaining('main.ts') });
        expect(after.instances).toEqual(before.instances);
        source('steady');
        expect(await last(runtime.update({ name: 'steady' }))).toMatchObject({ status: 'running', message: '' });
      });

      it('refuses a folder without anything to run, at once', async () => {
        mkdirSync(join(folder.path, 'empty'));
        await expect(create({ source: join(folder.path, 'empty') })).rejects.toMatchObject({
          code: 'invalid_argument',
          detail: expect.stringContaining('main, index'),
        });
        await expect(create({ source: join(folder.path, 'gone') })).rejects.toMatchObject({
          code: 'invalid_argument',
          detail: expect.stringContaining('gone'),
        });
        expect(await runtime.read()).toEqual([]);
      });
    });

    describe.runIf(can.folders && can.watch)('watching a folder', () => {
      it('replaces on change, and keeps the old one while the new one cannot be built', async () => {
        const say = (word: string) => ({ 'main.ts': `console.log('${word}'); setInterval(() => undefined, 1000);` });
        await create({ source: source('watched', say('one')), watch: true });
        await until('a replacement', async () => {
          // Again and again: the first change may come before the watch is set up.
          source('watched', say(`two ${Date.now()}`));
          const [instance] = (await one('watched')).instances;
          return (
            instance?.status === 'running' && (await texts({ name: 'watched' })).some((text) => text.startsWith('two'))
          );
        });
        source('watched', { 'main.ts': 'const a = ;' });
        await until('the fault', async () => (await one('watched')).message.includes('main.ts'));
        expect((await one('watched')).status).toBe('running');
        source('watched', say('three'));
        await until('the third', async () => (await texts({ name: 'watched' })).includes('three'));
        await until('its health', async () => (await one('watched')).message === '');
      }, 60_000);
    });

    describe.runIf(can.commands)('with a command', () => {
      it('runs the instances that are wanted', async () => {
        const service = await create({ name: 'many', command: command(program), instances: 3 });
        expect(service).toMatchObject({ status: 'running', wanted: 3, source: '', command: command(program) });
        expect(new Set(service.instances.map(({ pid }) => pid)).size).toBe(3);
        expect(new Set(service.instances.map(({ id }) => id)).size).toBe(3);
        const more = await last(runtime.update({ name: 'many', instances: 4 }));
        expect(more.instances.slice(0, 3)).toEqual(service.instances);
        const less = await last(runtime.update({ name: 'many', instances: 1 }));
        expect(less.instances).toEqual(service.instances.slice(0, 1));
      });

      it('tells why it died, and starts it again', async () => {
        const service = await create({
          name: 'crash',
          command: ['/bin/sh', '-c', 'echo no database >&2; exit 3'],
        });
        expect(service).toMatchObject({ status: 'error', message: expect.stringMatching(/code 3.*no database/s) });
        const seen = new Set<string>();
        const [instance] = await until('restarts', async () => {
          const { status, instances } = await one('crash');
          seen.add(status);
          return (instances[0]?.restarts ?? 0) >= 2 && instances;
        });
        expect([...seen]).toEqual(['error']);
        expect(instance).toMatchObject({ status: 'error', message: expect.stringMatching(/code 3.*no database/s) });
      });

      it('runs again after kill -9', async () => {
        const service = await create({ name: 'phoenix', command: command(program) });
        const pid = service.instances[0]?.pid as number;
        process.kill(pid, 'SIGKILL');
        const [instance] = await until('another', async () => {
          const { instances, status } = await one('phoenix');
          return status === 'running' && instances[0]?.pid !== pid && instances;
        });
        expect(instance).toMatchObject({ restarts: 1, message: '' });
      });

      it('is stopped when it has done its job', async () => {
        await create({ name: 'job', command: ['/bin/sh', '-c', 'echo done'] });
        await until('its end', async () => (await one('job')).status === 'stopped');
        expect((await one('job')).instances).toMatchObject([{ pid: 0, restarts: 0 }]);
      });

      it('tells of a program that is not there', async () => {
        const service = await create({ name: 'gone', command: ['/no/such/program'] });
        expect(service).toMatchObject({
          status: 'error',
          message: expect.stringContaining('/no/such/program was not found'),
        });
      });

      it('knows each service by its namespace', async () => {
        await create({ name: 'same', command: command(program) }, { namespace: 'a' });
        await create({ name: 'same', command: command(program) }, { namespace: 'b' });
        expect(await runtime.read()).toEqual([]);
        expect(await runtime.read({}, { namespace: 'a' })).toHaveLength(1);
        await runtime.delete('same', { namespace: 'a' });
        await expect(runtime.delete('same', { namespace: 'a' })).rejects.toMatchObject({ code: 'not_found' });
        expect((await one('same', { namespace: 'b' })).status).toBe('running');
      });

      it('replaces a name that is taken only by force', async () => {
        const first = await create({ name: 'taken', command: command(program), env: { GREETING: 'one' } });
        await expect(create({ name: 'taken', command: command(program) })).rejects.toMatchObject({
          code: 'already_exists',
        });
        const second = await create({ name: 'taken', command: command(program), version: '2', force: true });
        expect(second).toMatchObject({ status: 'running', version: '2' });
        expect(second.instances[0]?.pid).not.toBe(first.instances[0]?.pid);
        await until('the default', async () => (await texts({ name: 'taken' })).includes('hello from taken nobody'));
      });

      it('gets what an update changes, and keeps the rest', async () => {
        const first = await create({
          name: 'changed',
          command: command(program),
          env: { GREETING: 'one', OTHER: 'x' },
          metadata: { a: '1' },
        });
        await until('the first words', async () =>
          (await texts({ name: 'changed' })).includes('hello from changed one'),
        );
        const second = await last(runtime.update({ name: 'changed', env: { GREETING: 'two' }, metadata: { b: '2' } }));
        expect(second).toMatchObject({ status: 'running', metadata: { a: '1', b: '2' }, wanted: 1 });
        expect(second.instances).toHaveLength(1);
        expect(second.instances[0]?.id).not.toBe(first.instances[0]?.id);
        await until('the second words', async () =>
          (await texts({ name: 'changed' })).includes('hello from changed two'),
        );
      });

      it('goes on being created when nobody listens', async () => {
        for await (const _ of runtime.create({ name: 'unheard', command: command(program) })) break;
        await until('it runs', async () => (await one('unheard')).status === 'running');
      });

      it('is gone when it has been deleted, and its log is not', async () => {
        const service = await create({ name: 'gone', command: command(program) });
        await until('its words', async () => (await texts({ name: 'gone' })).length === 2);
        await runtime.delete('gone');
        expect(await runtime.read()).toEqual([]);
        expect(alive(service.instances[0]?.pid as number)).toBe(false);
        expect(await texts({ name: 'gone' })).toContain('hello from gone nobody');
        await expect(last(runtime.update({ name: 'gone' }))).rejects.toMatchObject({ code: 'not_found' });
        await expect(runtime.delete('gone')).rejects.toMatchObject({ code: 'not_found' });
      });

      it('is deleted while it is still starting, and made again at once', async () => {
        const started = runtime.create({ name: 'hasty', command: command(program), instances: 3 });
        const steps = started[Symbol.asyncIterator]();
        await steps.next();
        await runtime.delete('hasty');
        for (let step = await steps.next(); !step.done; step = await steps.next());
        expect(await runtime.read()).toEqual([]);
        const deleting = create({ name: 'hasty', command: command(program) }).then(() => runtime.delete('hasty'));
        await deleting;
        expect(await create({ name: 'hasty', command: command(program) })).toMatchObject({ status: 'running' });
      });
    });

    it('lists services by name', async () => {
      const request = (name: string) =>
        can.commands ? { name, command: command(program) } : { name, source: source(name) };
      for (const name of ['b', 'a', 'C']) await create(request(name));
      expect((await runtime.read()).map(({ name }) => name)).toEqual(['C', 'a', 'b']);
      expect(await runtime.read({ name: 'nobody' })).toEqual([]);
    });

    it('gives the log by lines and time, follows it, and ends with its signal', async () => {
      const lines = `for (let i = 0; i < 5; i++) console.log('line ' + i); setInterval(() => console.log('tick'), 50);`;
      await create(
        can.commands ? { name: 'talker', command: command(lines) } : { source: source('talker', { 'main.ts': lines }) },
      );
      const first = await until('the first lines', async () => {
        const said = (await all(runtime.logs({ name: 'talker' }))).filter(({ instance }) => instance !== 'build');
        return said.length > 6 && said;
      });
      expect(first.slice(0, 5)).toMatchObject(
        [0, 1, 2, 3, 4].map((number) => ({ stream: 'stdout', text: `line ${number}` })),
      );
      expect(first.map(({ timeMs }) => timeMs)).toEqual(first.map(({ timeMs }) => timeMs).sort((a, b) => a - b));
      const { timeMs } = first.at(-1) as LogLine;
      expect((await texts({ name: 'talker', sinceMs: timeMs })).every((text) => text === 'tick')).toBe(true);
      expect(await all(runtime.logs({ name: 'talker', lines: 2 }))).toHaveLength(2);
      const stop = new AbortController();
      let seen = 0;
      for await (const line of runtime.logs({ name: 'talker', follow: true, lines: 1 }, { signal: stop.signal })) {
        expect(line.text).toBe('tick');
        if (++seen === 4) stop.abort();
      }
      expect(seen).toBe(4);
    });

    it('refuses what makes no sense, saying why', async () => {
      const run = can.commands ? { command: command(program) } : { source: source('fine') };
      const requests: CreateService[] = [
        { name: 'nothing' },
        { ...run, name: '../escape' },
        { ...run, name: 'a/b' },
        { ...run, name: 'x'.repeat(10_000) },
        { ...run, name: 'zero', instances: 0 },
        { ...run, name: 'fraction', instances: 1.5 },
        { ...run, name: 'lots', instances: 1_000_000 },
        { ...run, name: 'v', version: '../..' },
        { ...run, name: 'env', env: { 'A=B': 'x' } },
        { ...run, name: 'env', env: { A: 'x\0y' } },
        { ...run, name: 'env', env: { MICRO_NODE_ID: 'other' } },
        { name: 'source', source: 'relative' },
        { name: 'source', source: '/etc/passwd' },
        { name: 'source', source: '/tmp\0' },
      ];
      for (const request of requests) {
        const error = await create(request).catch((thrown: unknown) => thrown);
        expect(error, JSON.stringify(request).slice(0, 200)).toMatchObject({ code: 'invalid_argument' });
        expect((error as Error).message.length).toBeLessThan(500);
      }
      await expect(create({ name: 'git', source: 'github.com/micro/services/helloworld@main' })).rejects.toMatchObject({
        code: 'unimplemented',
      });
      await expect(create({ ...run, name: 'tenant' }, { namespace: '../other' })).rejects.toMatchObject({
        code: 'invalid_argument',
      });
      expect(await runtime.read()).toEqual([]);
    });

    it('does not know what was never there', async () => {
      await expect(all(runtime.logs({ name: 'nobody' }))).rejects.toMatchObject({ code: 'not_found' });
      await expect(all(runtime.logs({ name: '../../etc' }))).rejects.toMatchObject({ code: 'invalid_argument' });
      await expect(last(runtime.update({ name: 'nobody' }))).rejects.toMatchObject({ code: 'not_found' });
      await expect(runtime.delete('nobody')).rejects.toMatchObject({ code: 'not_found' });
    });
  });
}

/** What came of it. */
async function last(steps: AsyncIterable<Progress>): Promise<Service> {
  const told = await all(steps);
  const service = told.at(-1)?.service;
  if (!service) throw new Error('the last step has no service');
  return service;
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const value of values) got.push(value);
  return got;
}
