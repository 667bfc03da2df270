import { readEnvironment, type RunningApp, startApp } from '@micro/platform';
import { Client, fixedTargets } from '@micro/rpc';
import { openRuntime, type Progress, type Runtime } from '@micro/runtime';
import { silentLogger } from '@micro/telemetry';
import { temporaryFolder, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeApp } from './runtime.app.js';

describe('the runtime app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let client: Client;
  let runtime: Runtime;

  beforeEach(async () => {
    folder = await temporaryFolder();
    app = await startApp(runtimeApp, { environment: environment(), logger: silentLogger });
    client = new Client({ discovery: fixedTargets(app.address) });
    runtime = await openRuntime({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await runtime.close();
    await client.close();
    await app.stop();
    await folder[Symbol.asyncDispose]();
  });

  const environment = (more: Record<string, string> = {}) =>
    readEnvironment({
      MICRO_PROFILE: 'test',
      MICRO_HOME: folder.path,
      MICRO_ADDRESS: '127.0.0.1:0',
      MICRO_PROXY_ADDRESS: '127.0.0.1:9',
      ...more,
    });
  const code = `console.log(['PROFILE', 'NAMESPACE', 'ADDRESS', 'PROXY_ADDRESS', 'REGISTRY_ADDRESS', 'HOME'].map((name) => process.env['MICRO_' + name]).join(' ')); setInterval(() => 0, 1000)`;
  const request = { name: 'told', command: [process.execPath, '-e', code] };

  it('runs services of the namespace of the call, and tells them where they are', async () => {
    const steps: Progress[] = [];
    for await (const step of runtime.create(request, { namespace: 'tenant' })) steps.push(step);
    expect(steps.at(-1)?.service).toMatchObject({ status: 'running', wanted: 1 });
    expect(await runtime.read()).toEqual([]);
    const said = await until('its words', async () => {
      for await (const { text } of runtime.logs({ name: 'told' }, { namespace: 'tenant' })) return text;
      return undefined;
    });
    expect(said).toBe(`service tenant 127.0.0.1:0 127.0.0.1:9 127.0.0.1:8000 ${folder.path}`);
    await runtime.delete('told', { namespace: 'tenant' });
    await expect(runtime.delete('told', { namespace: 'tenant' })).rejects.toMatchObject({
      id: 'runtime',
      code: 'not_found',
    });
  });

  it('tells services to listen where it listens itself', async () => {
    await using home = await temporaryFolder();
    await using other = await startApp(runtimeApp, {
      environment: environment({ MICRO_HOME: home.path, MICRO_ADDRESS: '127.0.0.2:0' }),
      logger: silentLogger,
    });
    const caller = new Client({ discovery: fixedTargets(other.address) });
    const elsewhere = await openRuntime({ adapter: 'remote', client: caller });
    for await (const _ of elsewhere.create(request));
    const said = await until('its words', async () => {
      for await (const { text } of elsewhere.logs({ name: 'told' })) return text;
      return undefined;
    });
    expect(said).toContain(' 127.0.0.2:0 ');
    await elsewhere.close();
    await caller.close();
  });

  it('stops with all that it started, also while somebody follows a log', async () => {
    for await (const _ of runtime.create(request));
    const [service] = await runtime.read();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { text } of runtime.logs({ name: 'told', follow: true })) seen.push(text);
    })();
    const ended = following.catch(() => undefined);
    await until('it is followed', () => seen.length > 0);
    await app.stop();
    expect(() => process.kill(service?.instances[0]?.pid as number, 0)).toThrow(/ESRCH/);
    await ended;
  });

  it('does not share its data directory', async () => {
    await expect(startApp(runtimeApp, { environment: environment(), logger: silentLogger })).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining(`process ${process.pid}`),
    });
  });

  it('is not its own client', async () => {
    await expect(
      startApp(runtimeApp, { environment: environment({ MICRO_RUNTIME: 'remote' }), logger: silentLogger }),
    ).rejects.toMatchObject({
      detail: expect.stringContaining('MICRO_RUNTIME=remote'),
    });
  });
});
