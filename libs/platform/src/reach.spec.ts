import { openRegistry } from '@micro/registry';
import { etcdTool, haveTool, startEtcd, startProgram, temporaryFolder, compileProgram, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const status = async (address: string, path: string) => (await fetch(`http://${address}${path}`)).status;

describe.skipIf(!haveTool(etcdTool))('an app whose registry is etcd', { timeout: 60_000 }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let file: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    file = await compileProgram(new URL('run-app.program.ts', import.meta.url), folder.path);
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  it('waits for it, answering that it is not ready, and needs no restart', async () => {
    await using etcd = await startEtcd();
    const [member] = etcd.members as [(typeof etcd.members)[0]];
    await member.stop();
    const env = { MICRO_HOME: folder.path, MICRO_REGISTRY: 'etcd', MICRO_ETCD_ADDRESS: etcd.addresses.join() };
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: '127.0.0.1:0' }, ['run']);
    const address = await program.ready();
    expect(await status(address, '/healthz')).toBe(200);
    expect(await status(address, '/readyz')).toBe(503);
    await until('it is told why', () => program.output().includes('not ready yet, trying on: '));
    await member.start();
    await until('it is ready', async () => (await status(address, '/readyz')) === 200, 30_000);
    await member.stop();
    // What has been there once is no reason to turn callers away: they are told what is wrong.
    expect(await status(address, '/readyz')).toBe(200);
    program.child.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  it('stops while it waits', async () => {
    const env = { MICRO_HOME: folder.path, MICRO_REGISTRY: 'etcd', MICRO_ETCD_ADDRESS: '127.0.0.1:1' };
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: '127.0.0.1:0' }, ['run']);
    const address = await program.ready();
    expect(await status(address, '/readyz')).toBe(503);
    program.child.kill('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.output()).toContain('MICRO_ETCD_ADDRESS');
  });

  it('ends, saying which setting is wrong, where waiting would not help', async () => {
    await using etcd = await startEtcd();
    const env = {
      MICRO_HOME: folder.path,
      MICRO_REGISTRY: 'etcd',
      MICRO_ETCD_ADDRESS: etcd.addresses.join(),
      MICRO_ETCD_USERNAME: 'nobody',
      MICRO_ETCD_PASSWORD: 'hush',
    };
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: '127.0.0.1:0' }, ['run']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toContain('MICRO_ETCD_USERNAME');
    expect(program.output()).not.toContain('hush');
    expect(program.output()).not.toContain('    at ');
  });

  it('leaves nothing behind in the registry when it ends so', async () => {
    await using etcd = await startEtcd();
    const env = {
      MICRO_HOME: folder.path,
      MICRO_REGISTRY: 'etcd',
      MICRO_ETCD_ADDRESS: etcd.addresses.join(),
      MICRO_STORE: 'cockroach',
      MICRO_COCKROACH_URL: 'postgresql://me@127.0.0.1:1/%',
    };
    await using program = startProgram(file, { ...env, MICRO_ADDRESS: '127.0.0.1:0' }, ['run', 'store']);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output()).toContain('MICRO_COCKROACH_URL');
    const registry = await openRegistry({ adapter: 'etcd', addresses: etcd.addresses });
    expect(await registry.list()).toEqual([]);
    await registry.close();
  });
});
