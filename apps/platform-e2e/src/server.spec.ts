import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import {
  cleanEnvironment,
  freePort,
  freePorts,
  healthy,
  platformServices,
  run,
  startPlatform,
  temporaryFolder,
  type TestPlatform,
  until,
  workspaceRoot,
} from '@micro/testing';
import { describe, expect, it } from 'vitest';

const bin = `${workspaceRoot}apps/cli/bin/micro.mjs`;

/** Every process that is part of a platform: those whose environment names its home. */
function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`MICRO_HOME=${home}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function withHelloworld(platform: TestPlatform): Promise<void> {
  const { code, stderr } = await platform.micro('run', `${workspaceRoot}examples/helloworld`);
  expect(stderr).not.toMatch(/error/i);
  expect(code).toBe(0);
}

describe('micro server', () => {
  it('leaves nothing behind after ctrl-c', async () => {
    await using platform = await startPlatform();
    await withHelloworld(platform);
    expect(processesOf(platform.home).length).toBeGreaterThan(platformServices.length);
    platform.server.kill('SIGINT');
    await until('it has ended', () => platform.server.exitCode !== null);
    expect(platform.server.exitCode).toBe(0);
    expect(processesOf(platform.home)).toEqual([]);
    expect(await healthy([platform.address.api])).toBe(false);
  });

  it('leaves nothing behind when it is killed', async () => {
    await using platform = await startPlatform();
    await withHelloworld(platform);
    platform.server.kill('SIGKILL');
    await until('every process has ended', () => processesOf(platform.home).length === 0, 20_000);
  }, 60_000);

  it('leaves nothing behind when it is killed before its processes have begun', async () => {
    await using home = await temporaryFolder();
    const ports = await freePorts(platformServices.length + 1);
    const addresses = platformServices.map((name, index) => [
      `MICRO_${name.toUpperCase()}_ADDRESS`,
      `127.0.0.1:${ports[index]}`,
    ]);
    const env = {
      ...cleanEnvironment(),
      MICRO_HOME: home.path,
      MICRO_MDNS_PORT: String(ports.at(-1)),
      ...Object.fromEntries(addresses),
    };
    for (const begun of [2, 1 + platformServices.length]) {
      const server = spawn(process.execPath, [bin, 'server'], { env, stdio: 'ignore' });
      await until('processes are there', () => processesOf(home.path).length >= begun);
      server.kill('SIGKILL');
      await until('every process has ended', () => processesOf(home.path).length === 0, 20_000);
    }
  }, 60_000);

  it('keeps its data from other users of the machine', async () => {
    await using platform = await startPlatform();
    expect(statSync(platform.home).mode & 0o777).toBe(0o700);
    for (const entry of readdirSync(platform.home, { recursive: true, withFileTypes: true })) {
      const { mode } = statSync(`${entry.parentPath}/${entry.name}`);
      expect(mode & 0o077, `${entry.parentPath}/${entry.name}`).toBe(0);
    }
  });

  it('listens on loopback only', async () => {
    await using platform = await startPlatform();
    await withHelloworld(platform);
    const inodes = new Set(
      processesOf(platform.home).flatMap((pid) => {
        const folder = `/proc/${pid}/fd`;
        if (!existsSync(folder)) return [];
        return readdirSync(folder).map((fd) => linkOf(`${folder}/${fd}`));
      }),
    );
    const listeners = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields[3] === '0A' && inodes.has(`socket:[${fields[9]}]`))
        .map((fields) => String(fields[1])),
    );
    expect(listeners.length).toBeGreaterThanOrEqual(platformServices.length);
    for (const listener of listeners) expect(listener).toMatch(/^0100007F:/);
  });

  it('names the process that holds a port, before anything is started', async () => {
    await using home = await temporaryFolder();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = holder.address() as { port: number };
      const env = { ...cleanEnvironment(), MICRO_HOME: home.path, MICRO_API_ADDRESS: `127.0.0.1:${port}` };
      const { code, stderr } = await run(process.execPath, [bin, 'server'], { env });
      expect(code).not.toBe(0);
      expect(stderr).toContain(String(port));
      expect(stderr).toContain(String(process.pid));
      expect(processesOf(home.path)).toEqual([]);
    } finally {
      holder.close();
    }
  });

  it('refuses to run twice on the same data', async () => {
    await using platform = await startPlatform();
    const { code, stderr } = await platform.micro('server');
    expect(code).not.toBe(0);
    expect(stderr).toContain(String(platform.server.pid));
    expect(await healthy(Object.values(platform.address))).toBe(true);
  });

  it('prefixes the logs of its services', async () => {
    await using platform = await startPlatform();
    await until('each service has said something', () =>
      platformServices.every((name) => new RegExp(`^.*${name}.*listening`, 'm').test(platform.output())),
    );
  });

  it('runs in the background when told to', async () => {
    await using platform = await startPlatform();
    expect(await platform.micro('server', 'stop')).toMatchObject({ code: 0 });
    const env = { ...platform.env };
    await using home = await temporaryFolder();
    env['MICRO_HOME'] = home.path;
    const micro = (...args: string[]) => run(process.execPath, [bin, ...args], { env });
    expect(await micro('server', '--detach')).toMatchObject({ code: 0 });
    expect(await healthy(Object.values(platform.address))).toBe(true);
    expect((await micro('server', 'status')).stdout).toMatch(/running|healthy/);
    expect(await micro('server', 'stop')).toMatchObject({ code: 0 });
    expect(processesOf(home.path)).toEqual([]);
  });
});

describe('two services and no server', () => {
  it('find and call each other over mDNS', async () => {
    await using home = await temporaryFolder();
    const env = { ...cleanEnvironment(), MICRO_HOME: home.path, MICRO_MDNS_PORT: String(await freePort()) };
    const start = (name: string) =>
      spawn(process.execPath, [`${workspaceRoot}examples/${name}/dist/src/main.js`], { env, stdio: 'pipe' });
    const helloworld = start('helloworld');
    const greeter = start('greeter');
    try {
      const address = await addressOf(greeter);
      const answer = await until('the greeter has found helloworld', async () => {
        const response = await fetch(`http://${address}/greeter.Greeter/Greet`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ names: ['Alice', 'Bob'] }),
        });
        return response.ok && ((await response.json()) as object);
      });
      expect(answer).toEqual({ greetings: ['Hello Alice', 'Hello Bob'] });
    } finally {
      helloworld.kill();
      greeter.kill();
    }
  });
});

function addressOf(child: ReturnType<typeof spawn>): Promise<string> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  return until('it says where it listens', () => /listening on ([\d.]+:\d+)/.exec(output)?.[1]);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
