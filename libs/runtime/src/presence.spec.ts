import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRegistry, type Registry } from '@micro/registry';
import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Timing } from './host.js';
import { ProcessRuntime } from './process.js';
import type { Instance, Progress, Service } from './runtime.js';

const program = `setInterval(() => undefined, 1000)`;
const command = [process.execPath, '-e', program];

describe('what registers', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let registry: Registry;
  let runtime: ProcessRuntime;

  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    runtime = await open();
  });
  afterEach(async () => {
    await runtime.close();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const open = (timing: Partial<Timing> = {}) =>
    ProcessRuntime.open({
      home: join(folder.path, 'home'),
      env: process.env,
      registry,
      timing: { settle: 300, grace: 3_000, restart: { minDelay: 20 }, ...timing },
    });
  /** A source that uses the SDK, as far as the runtime can see; the test registers in its stead. */
  const source = () => {
    const path = join(folder.path, 'greeter');
    mkdirSync(join(path, 'node_modules/@micro/service'), { recursive: true });
    writeFileSync(
      join(path, 'node_modules/@micro/service/package.json'),
      JSON.stringify({ type: 'module', exports: './index.js' }),
    );
    writeFileSync(join(path, 'node_modules/@micro/service/index.js'), '');
    writeFileSync(join(path, 'main.ts'), `import '@micro/service'; ${program}`);
    return path;
  };
  let port = 1000;
  const register = async (id: string, version = 'latest') => {
    const address = `127.0.0.1:${port++}`;
    await registry.register({
      name: 'greeter',
      version,
      metadata: {},
      endpoints: [],
      nodes: [{ id, address, metadata: {} }],
    });
    return address;
  };
  const nodes = async () => (await registry.get('greeter')).flatMap((service) => service.nodes.map(({ id }) => id));
  const service = async (): Promise<Service> => (await runtime.read({ name: 'greeter' }))[0] as Service;
  const starting = async (index: number): Promise<Instance> =>
    until(
      'an instance to be registered',
      async () => (await service())?.instances.filter(({ address, pid }) => address === '' && pid > 0)[index],
    );
  const last = async (steps: AsyncIterable<Progress>) => {
    let end: Progress | undefined;
    for await (const step of steps) end = step;
    return end?.service as Service;
  };

  it('is running when it has registered, and not before', async () => {
    const created = last(runtime.create({ source: source() }));
    const { id } = await starting(0);
    expect((await service()).status).toBe('starting');
    const address = await register(id);
    expect(await created).toMatchObject({ status: 'running', instances: [{ id, address }] });
  });

  it('is told as failed when it does not register in time, and may do so later', async () => {
    await runtime.close();
    runtime = await open({ ready: 400 });
    const created = await last(runtime.create({ source: source() }));
    expect(created).toMatchObject({ status: 'error', message: expect.stringContaining('has not registered') });
    await register(created.instances[0]?.id as string);
    await until('it runs', async () => (await service()).status === 'running');
  });

  it('is off the registry at once when it is killed, and back when it has registered again', async () => {
    const created = last(runtime.create({ source: source() }));
    const { id } = await starting(0);
    await register(id);
    const [instance] = (await created).instances as [Instance];
    process.kill(instance.pid, 'SIGKILL');
    await until('it is off', async () => (await nodes()).length === 0, 5_000);
    expect(await service()).toMatchObject({ status: 'error', message: expect.stringContaining('SIGKILL') });
    await until('a new process', async () => ((await service()).instances[0]?.pid ?? 0) > 0);
    const address = await register(id);
    await until('it runs', async () => (await service()).status === 'running');
    expect((await service()).instances).toMatchObject([{ id, address, restarts: 1 }]);
  });

  it('is replaced one by one, each new one registered before an old one is stopped', async () => {
    const created = last(runtime.create({ source: source(), instances: 2 }));
    for (let index = 0; index < 2; index++) await register((await starting(0)).id);
    const before = (await created).instances.map(({ id }) => id);
    const updated = last(runtime.update({ name: 'greeter', env: { A: 'b' } }));
    for (let index = 0; index < 2; index++) {
      const { id } = await starting(0);
      const others = (await service()).instances.filter((one) => one.id !== id);
      expect(others).toHaveLength(2);
      expect(others.every(({ status }) => status === 'running')).toBe(true);
      await register(id);
    }
    const after = await updated;
    expect(after).toMatchObject({ status: 'running', message: '', instances: [{}, {}] });
    expect(after.instances.some(({ id }) => before.includes(id))).toBe(false);
    expect((await nodes()).sort()).toEqual(after.instances.map(({ id }) => id).sort());
  });

  it('is kept when its replacement does not register', async () => {
    await runtime.close();
    runtime = await open({ ready: 1_000 });
    const created = last(runtime.create({ source: source() }));
    const { id } = await starting(0);
    await register(id);
    await created;
    const updated = await last(runtime.update({ name: 'greeter' }));
    expect(updated).toMatchObject({
      status: 'running',
      message: expect.stringContaining('the old instances go on'),
      instances: [{ id }],
    });
    expect(await nodes()).toEqual([id]);
  });

  it('under an id of its own is taken for a command that has just been started', async () => {
    const created = last(runtime.create({ name: 'greeter', command }));
    await starting(0);
    const address = await register('whatever', 'v1');
    const [instance] = (await created).instances as [Instance];
    expect(instance).toMatchObject({ address, status: 'running' });
    process.kill(instance.pid, 'SIGKILL');
    await until('it is off', async () => (await nodes()).length === 0, 5_000);
  });

  it('stays what it was while the registry is away', async () => {
    const created = last(runtime.create({ source: source() }));
    const { id } = await starting(0);
    await register(id);
    await created;
    await registry.close();
    expect(await service()).toMatchObject({ status: 'running', instances: [{ id }] });
  });
});
