import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { haveTool, run, temporaryFolder, toolPath, until } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMdns } from './mdns.js';
import type { Service } from './registry.js';

const soon = { timeout: 15_000, interval: 100 };
const name = `avahi-${process.pid}`;
const service: Service = {
  name,
  version: '1.2.3',
  metadata: {},
  endpoints: [],
  nodes: [{ id: `${name}-1`, address: '127.0.0.1:4321', metadata: { protocol: 'connect,grpc', zone: 'a' } }],
};

/** Avahi looks for its bus and for nothing else of the system's; only where it keeps its process number cannot be set, and needs root. */
describe.skipIf(!mayRunAvahi())('Avahi, a browser of mDNS that is not ours', () => {
  const stop: (() => unknown)[] = [];
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const folder = await temporaryFolder();
    stop.push(() => folder[Symbol.asyncDispose]());
    env = { ...process.env, PATH: toolPath(), DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder.path}/bus` };
    await writeFile(`${folder.path}/bus.conf`, busConfig(`${folder.path}/bus`));
    await writeFile(`${folder.path}/avahi.conf`, avahiConfig);
    await start(
      'dbus-daemon',
      ['--nofork', '--nopidfile', '--print-address=1', `--config-file=${folder.path}/bus.conf`],
      'unix:',
    );
    const options = ['--no-drop-root', '--no-chroot', '--no-rlimits', '--file', `${folder.path}/avahi.conf`];
    await start('avahi-daemon', options, 'Server startup complete');
  });
  afterAll(async () => {
    for (const one of stop.reverse()) await one();
  });

  /** Resolves once the program has said that it is there. */
  const start = async (program: string, args: readonly string[], said: string) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = new Promise((resolve) => child.once('close', resolve));
    stop.push(() => (child.kill('SIGTERM'), exited));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    await until(`${program} says "${said}"`, () => output.includes(said));
  };
  /** What Avahi has resolved of our service: interface, protocol, instance, type, domain, host, address, port, TXT. */
  const browse = async () => {
    const { stdout } = await run('avahi-browse', ['--resolve', '--parsable', '--terminate', '_micro._tcp'], { env });
    const lines = stdout.split('\n').filter((line) => line.startsWith('=;') && line.includes(`"name=${name}"`));
    return lines.map((line) => line.split(';').slice(1));
  };

  it('shows a node with host, port and what it says, until its goodbye', async () => {
    // Avahi knows only the port of the standard.
    const registry = await openMdns({ port: 5353, fallbackFile: '/nonexistent/registry.json' });
    try {
      await registry.register(service);
      await expect.poll(browse, soon).toHaveLength(1);
      const [, , instance, type, domain, host, address, port, text] = (await browse())[0] ?? [];
      expect(instance).toMatch(new RegExp(`^${name}-[0-9a-f]{12}$`));
      expect([type, domain, host]).toEqual(['_micro._tcp', 'local', 'micro-127-0-0-1.local']);
      expect([address, port]).toEqual(['127.0.0.1', '4321']);
      for (const pair of ['txtvers=1', 'version=1.2.3', 'namespace=micro', 'protocol=connect,grpc', 'zone=a'])
        expect(text).toContain(`"${pair}"`);
      await registry.deregister(service);
      await expect.poll(browse, soon).toEqual([]);
    } finally {
      await registry.close();
    }
  });
});

function mayRunAvahi(): boolean {
  const tools = [
    { name: 'dbus-daemon', apt: 'dbus' },
    { name: 'avahi-daemon', apt: 'avahi-daemon' },
    { name: 'avahi-browse', apt: 'avahi-utils' },
  ];
  if (!tools.every(haveTool)) return false;
  const isRunning = spawnSync('avahi-daemon', ['--check'], { env: { ...process.env, PATH: toolPath() } }).status === 0;
  if (process.getuid?.() === 0 && !isRunning) return true;
  const reason = 'Avahi can only be tried by root, where no other avahi-daemon runs';
  if (process.env['MICRO_TEST_NO_SKIP']) throw new Error(`${reason}, and MICRO_TEST_NO_SKIP forbids to skip`);
  console.warn(`SKIPPED: ${reason}`);
  return false;
}

/** A bus of its own, on which everything is allowed. */
function busConfig(path: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy>
</busconfig>`;
}

/** Loopback alone; publishes nothing itself. */
const avahiConfig = `[server]
host-name=micro-test
use-ipv4=yes
use-ipv6=no
allow-interfaces=lo
ratelimit-interval-usec=0
[wide-area]
enable-wide-area=no
[publish]
disable-publishing=yes
`;
