import { existsSync, readFileSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort, temporaryFolder, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endLeftovers } from './leftovers.js';
import { type OutsideRuntime, outsideRuntimes } from './outside-runtime.js';
import { isAlive, processIdentity } from './process-identity.js';
import type { Instance } from './runtime.js';

const counting = `let i = 0; setInterval(() => console.log('line ' + i++), 20)`;
const command = (code: string) => [process.execPath, '-e', code];

describe('after the death of the runtime', () => {
  let programs: Awaited<ReturnType<typeof outsideRuntimes>>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let running: OutsideRuntime[];

  beforeAll(async () => {
    programs = await outsideRuntimes();
  });
  afterAll(() => programs.close());
  beforeEach(async () => {
    folder = await temporaryFolder();
    running = [];
  });
  afterEach(async () => {
    for (const runtime of running) await runtime.end('SIGTERM');
    await folder[Symbol.asyncDispose]();
  });

  const start = async (session = 'one') => {
    const runtime = await programs.start({ home: folder.path, session });
    running = [runtime];
    return runtime;
  };
  const counter = async (runtime: OutsideRuntime, instances = 1): Promise<readonly Instance[]> => {
    const { service } = await runtime.create({ name: 'counter', command: command(counting), instances });
    return service?.instances ?? [];
  };
  const state = () => join(folder.path, 'runtime/state.json');

  it('services go on, and the next runtime takes them over with their logs', async () => {
    const first = await start();
    const [instance] = (await counter(first)) as [Instance];
    await first.end('SIGKILL');
    expect(process.kill(instance.pid, 0)).toBe(true);
    const spool = join(folder.path, 'runtime/spool', `${instance.id}.stdout`);
    const written = statSync(spool).size;
    await until('it goes on writing', () => statSync(spool).size > written + 100);

    const second = await start();
    expect(await second.read()).toMatchObject([
      { name: 'counter', status: 'running', instances: [{ id: instance.id, pid: instance.pid, restarts: 0 }] },
    ]);
    const lines = await second.logs('counter');
    expect(lines.length).toBeGreaterThan(10);
    expect(lines).toEqual(lines.map((_, index) => `line ${index}`));

    process.kill(instance.pid, 'SIGKILL');
    const [again] = await until('a new process', async () => {
      const [service] = await second.read();
      return service?.status === 'running' && service.instances[0]?.pid !== instance.pid && service.instances;
    });
    expect(again).toMatchObject({ id: instance.id, restarts: 1 });
    const identity = processIdentity((again as Instance).pid) as string;
    await second.end('SIGTERM');
    running = [];
    expect(isAlive((again as Instance).pid, identity)).toBe(false);
    expect(existsSync(state())).toBe(false);
  });

  it('what died meanwhile is started again, and what was missing is started', async () => {
    const first = await start();
    const [one, two] = (await counter(first, 2)) as [Instance, Instance];
    await first.end('SIGKILL');
    process.kill(one.pid, 'SIGKILL');
    const second = await start();
    const instances = await until('both', async () => {
      const [service] = await second.read();
      return service?.status === 'running' && service.instances;
    });
    expect(instances).toMatchObject([
      { id: one.id, restarts: 1 },
      { id: two.id, pid: two.pid, restarts: 0 },
    ]);
    expect(instances[0]?.pid).not.toBe(one.pid);
  });

  it('a build goes on', async () => {
    // A package registry that never answers.
    const sockets: Socket[] = [];
    const port = await freePort();
    const silent = createServer((socket) => sockets.push(socket)).listen(port, '127.0.0.1');
    const source = join(folder.path, 'slow');
    mkdirSync(source);
    writeFileSync(join(source, 'package.json'), JSON.stringify({ dependencies: { 'is-number': '7.0.0' } }));
    writeFileSync(join(source, '.npmrc'), `registry=http://127.0.0.1:${port}\nfetch-retries=0`);
    writeFileSync(join(source, 'main.js'), '');
    const first = await start();
    await first.create({ source }, ({ step }) => step.startsWith('installing'));
    await first.end('SIGKILL');
    const second = await start();
    await until('it builds', async () => (await second.read())[0]?.status === 'building');
    // Stopping gives it up at once.
    await second.end('SIGTERM');
    running = [];
    // The first one's package manager has nobody who would stop it; it ends when nobody answers any more.
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('the runtime of another platform ends what is left, and begins anew', async () => {
    const first = await start();
    const [instance] = (await counter(first)) as [Instance];
    const identity = processIdentity(instance.pid) as string;
    await first.end('SIGKILL');
    const second = await start('two');
    expect(isAlive(instance.pid, identity)).toBe(false);
    expect(await second.read()).toEqual([]);
    expect(await second.logs('counter')).toContain('line 0');
    expect(existsSync(join(folder.path, 'runtime/spool', `${instance.id}.stdout`))).toBe(false);
  });

  it('who stops the platform can end what is left', async () => {
    const first = await start();
    const [instance] = (await counter(first)) as [Instance];
    const identity = processIdentity(instance.pid) as string;
    expect(await endLeftovers(folder.path)).toBe(0);
    await first.end('SIGKILL');
    expect(await endLeftovers(folder.path)).toBe(1);
    expect(isAlive(instance.pid, identity)).toBe(false);
    const second = await start('two');
    expect(await second.read()).toEqual([]);
  });

  it('a process that has got the number of one that is gone is left alone', async () => {
    const first = await start();
    const [instance] = (await counter(first)) as [Instance];
    await first.end('SIGKILL');
    // As if the number were another's by now.
    const identity = processIdentity(instance.pid) as string;
    writeFileSync(state(), readFileSync(state(), 'utf8').replace(identity, `${identity}0`));
    await start('two');
    expect(isAlive(instance.pid, identity)).toBe(true);
    process.kill(-instance.pid, 'SIGKILL');
  });

  it('its memory is for its owner only', async () => {
    const runtime = await start();
    await runtime.create({ name: 'secret', command: command(counting), env: { TOKEN: 'hunter2' } });
    expect(statSync(state()).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'runtime')).mode & 0o777).toBe(0o700);
    expect(JSON.stringify(await runtime.read())).not.toContain('hunter2');
  });

  it('a memory that cannot be read is put aside', async () => {
    mkdirSync(join(folder.path, 'runtime'));
    writeFileSync(state(), '{"services": nonsense');
    const runtime = await start();
    expect(await runtime.read()).toEqual([]);
    expect(existsSync(`${state()}.unreadable`)).toBe(true);
  });
});
