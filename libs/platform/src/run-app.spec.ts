import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { openRegistry } from '@micro/registry';
import { schemaFromDescriptorSet } from '@micro/proto';
import { compileProgram, freePort, startProgram, temporaryFolder, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { Platform } from './platform.js';
import { startApp } from './run-app.js';
import { Clock, clockApp } from './run-app.program.js';

const environment = readEnvironment({
  MICRO_PROFILE: 'test',
  MICRO_NODE_ID: 'clock-1',
  MICRO_ZONE: 'a',
  MICRO_VERSION: '1.2.3',
});

describe('an app', () => {
  it('answers calls and plain HTTP, is registered with its schema, and is gone when it has stopped', async () => {
    const registry = await openRegistry({ adapter: 'memory' });
    const running = await startApp(clockApp, { environment, registry });
    const [service] = await registry.get('clock');
    expect(service).toMatchObject({
      name: 'clock',
      version: '1.2.3',
      endpoints: [{ name: 'Clock.Now', path: '/clock.Clock/Now', kind: 'unary' }],
      nodes: [
        { id: 'clock-1', address: running.address, metadata: { protocol: 'connect,grpc', zone: 'a', region: '' } },
      ],
    });
    expect(schemaFromDescriptorSet(service?.schema as Uint8Array).service('clock.Clock').methods).toHaveLength(1);

    await using caller = await Platform.open(environment, { name: 'caller', registry });
    expect(await caller.client.of(Clock).now({ text: 'late' })).toEqual({ text: 'it is late' });
    expect(await (await fetch(`http://${running.address}/page`)).text()).toBe('namespace micro');
    expect((await fetch(`http://${running.address}/readyz`)).status).toBe(200);

    await running.stop();
    expect(await registry.get('clock')).toEqual([]);
    await expect(fetch(`http://${running.address}/readyz`)).rejects.toThrow();
  });

  it('takes and sends messages as large as MICRO_MESSAGE_LIMIT says', async () => {
    const registry = await openRegistry({ adapter: 'memory' });
    const wide = { ...environment, messageLimit: 8 * 1024 * 1024 };
    const text = 'x'.repeat(6 * 1024 * 1024);
    await using _ = await startApp(clockApp, { environment: wide, registry });
    await using caller = await Platform.open(wide, { name: 'caller', registry });
    expect((await caller.client.of(Clock).now({ text })).text).toContain(text);
    await using narrow = await Platform.open(environment, { name: 'narrow', registry });
    await expect(narrow.client.of(Clock).now({ text })).rejects.toMatchObject({ code: 'resource_exhausted' });
  });

  it('has the version of Micro where nothing gives it another', async () => {
    const registry = await openRegistry({ adapter: 'memory' });
    await using _ = await startApp(clockApp, { environment: { ...environment, version: undefined }, registry });
    const versions = ['package.json', 'apps/cli/package.json', 'libs/service/package.json'].map(
      (file) => (JSON.parse(readFileSync(`${workspaceRoot}${file}`, 'utf8')) as { version: string }).version,
    );
    expect(new Set([...versions, (await registry.get('clock'))[0]?.version]).size).toBe(1);
  });

  it('leaves nothing open when it cannot start', async () => {
    const registry = await openRegistry({ adapter: 'memory' });
    const running = await startApp(clockApp, { environment, registry });
    const [host, port] = running.address.split(':') as [string, string];
    const taken = { ...environment, address: { host, port: Number(port) } };
    await expect(startApp(clockApp, { environment: taken, registry })).rejects.toMatchObject({
      detail: expect.stringContaining(port),
    });
    expect((await registry.get('clock'))[0]?.nodes).toHaveLength(1);
    await running.stop();
  });
});

describe('as a process', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let file: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    file = await compileProgram(new URL('run-app.program.ts', import.meta.url), folder.path);
    env = { MICRO_HOME: folder.path, MICRO_MDNS_PORT: String(await freePort()) };
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  it('says in one line where it listens, and ends with 0 on SIGTERM', async () => {
    await using program = startProgram(file, env, ['run']);
    const address = await program.ready();
    expect(program.output().trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(program.output())).toMatchObject({
      level: 'info',
      name: 'clock',
      message: `clock listening on ${address}`,
    });
    program.child.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  it('says in one line that its port is taken', async () => {
    const holder = createServer();
    const port = await new Promise<number>((resolve) =>
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port)),
    );
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: `127.0.0.1:${port}` }, ['run']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    holder.close();
    expect(program.output().trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(program.output())).toMatchObject({
      level: 'error',
      code: 'EADDRINUSE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  it('refuses an environment that is not legal, before anything else', async () => {
    await using program = startProgram(file, { ...env, MICRO_PROFILE: 'cloud', MICRO_LOG_LEVEL: 'loud' }, ['run']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toContain('MICRO_PROFILE=');
    expect(program.output()).toContain('MICRO_LOG_LEVEL=');
    expect(program.output()).not.toContain('    at ');
  });
});
