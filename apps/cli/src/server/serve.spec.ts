import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { freePorts, temporaryFolder, until } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { addressesOf, checkFree } from './addresses.js';
import { healthy } from './health.js';
import { platform } from './platform.js';
import { portHolder } from './port-holder.js';
import { Server } from './serve.js';
import { runningServer, serverFile } from './server-file.js';

/** Stands in for an app: listens where it is told, and writes down when it stops. */
const app = `
const { createServer } = require('node:http');
const { appendFileSync } = require('node:fs');
const [host, port] = process.env.MICRO_ADDRESS.split(':');
if (process.env.FAIL && __dirname.endsWith(process.env.FAIL)) { console.error('it cannot be'); process.exit(3); }
const server = createServer((request, response) => response.end('ok')).listen(Number(port), host, () => console.log('listening'));
const stop = () => setTimeout(() => { appendFileSync(process.env.MICRO_HOME + '/stops', require('node:path').basename(__dirname) + '\\n'); process.exit(0); }, 30);
process.on('SIGTERM', stop);
process.on('disconnect', stop);
`;

async function prepared() {
  const folder = await temporaryFolder();
  const bundles = join(folder.path, 'platform');
  for (const { name } of platform) {
    mkdirSync(join(bundles, name), { recursive: true });
    writeFileSync(join(bundles, name, 'main.cjs'), app);
  }
  const ports = await freePorts(platform.length);
  const addresses = Object.fromEntries(platform.map(({ name }, index) => [name, `127.0.0.1:${ports[index]}`]));
  const lines: string[] = [];
  const home = join(folder.path, 'home');
  const options = {
    home,
    version: '1',
    addresses,
    bundles,
    variables: { PATH: process.env['PATH'] },
    onLine: (name: string, { text }: { text: string }) => void lines.push(`${name}: ${text}`),
  };
  return { ...folder, home, addresses, lines, options };
}

describe('the server', () => {
  it('starts all, records them, and stops them in the order of their needs', async () => {
    await using place = await prepared();
    const server = new Server(place.options);
    await server.start();
    try {
      for (const address of Object.values(place.addresses)) expect(await healthy(address)).toBe(true);
      expect(place.lines.sort()).toEqual(platform.map(({ name }) => `${name}: listening`).sort());
      expect(runningServer(place.home)?.processes.map(({ name, status }) => [name, status])).toEqual(
        platform.map(({ name }) => [name, 'running']),
      );
      await expect(new Server(place.options).start()).rejects.toThrow(
        `already runs on ${place.home} as process ${process.pid}`,
      );
    } finally {
      await server.stop();
    }
    const stops = readFileSync(join(place.home, 'stops'), 'utf8').trim().split('\n');
    expect(stops.slice(0, 2).sort()).toEqual(['api', 'proxy']);
    expect(stops.slice(2, 3)).toEqual(['runtime']);
    expect(stops.slice(3, -1).sort()).toEqual(['broker', 'store']);
    expect(stops.slice(-1)).toEqual(['registry']);
    expect(runningServer(place.home)).toBeUndefined();
  });

  it('starts again what dies', async () => {
    await using place = await prepared();
    const server = new Server(place.options);
    await server.start();
    try {
      const { pid } = server.state.processes.find(({ name }) => name === 'proxy')!;
      process.kill(pid, 'SIGKILL');
      const again = await until('the proxy runs again', () =>
        server.state.processes.find(
          (one) => one.name === 'proxy' && one.status === 'running' && one.pid !== pid && one.restarts === 1,
        ),
      );
      expect(await healthy(again.address)).toBe(true);
      expect(place.lines).toContain('proxy: proxy was ended by SIGKILL; starting it again (1)');
    } finally {
      await server.stop();
    }
  });

  it('says why one does not start, and leaves none running', async () => {
    await using place = await prepared();
    const server = new Server({ ...place.options, variables: { ...place.options.variables, FAIL: 'runtime' } });
    await expect(server.start()).rejects.toThrow(/runtime exited with code 3 .*\nit cannot be/);
    for (const address of Object.values(place.addresses)) expect(await healthy(address)).toBe(false);
    expect(runningServer(place.home)).toBeUndefined();
  });

  it('can be stopped while it starts', async () => {
    await using place = await prepared();
    const server = new Server(place.options);
    const starting = server.start().catch((error: Error) => error);
    await until('something was started', () => server.state.processes.some(({ pid }) => pid > 0));
    await server.stop();
    expect(await starting).toBeInstanceOf(Error);
    expect(server.state.processes.filter(({ pid }) => pid > 0)).toEqual([]);
  });

  it('names who holds a port, before anything is started', async () => {
    await using place = await prepared();
    const holder = createServer().listen(Number(place.addresses['api']!.split(':')[1]), '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    try {
      const server = new Server(place.options);
      await expect(server.start()).rejects.toThrow(
        new RegExp(
          `port \\d+, which api needs, is taken by process ${process.pid} \\(.+\\): stop it with kill ${process.pid}, or start it elsewhere with --api-address`,
        ),
      );
      expect(place.lines).toEqual([]);
    } finally {
      holder.close();
    }
  });

  it('is not held up by the file of a server that died', async () => {
    await using place = await prepared();
    mkdirSync(place.home);
    const dead = {
      pid: process.pid,
      identity: 'an earlier process of this number',
      startedMs: 0,
      version: '0',
      processes: [],
    };
    writeFileSync(serverFile(place.home), JSON.stringify(dead));
    appendFileSync(`${serverFile(place.home)}.lock`, '4194304\n');
    const server = new Server(place.options);
    await server.start();
    await server.stop();
  });

  it('says how to build what is missing', async () => {
    await using place = await prepared();
    await expect(new Server({ ...place.options, bundles: '/nowhere' }).start()).rejects.toThrow(
      /not found in \/nowhere: build with/,
    );
  });
});

describe('addresses', () => {
  it('come from flags, then variables, then the table', () => {
    expect(
      addressesOf({ api: '127.0.0.1:1' }, { MICRO_API_ADDRESS: '127.0.0.1:2', MICRO_PROXY_ADDRESS: '127.0.0.1:3' }),
    ).toEqual({
      registry: '127.0.0.1:8000',
      broker: '127.0.0.1:8003',
      store: '127.0.0.1:8002',
      runtime: '127.0.0.1:8088',
      proxy: '127.0.0.1:3',
      api: '127.0.0.1:1',
    });
  });

  it('are refused when malformed or the same', () => {
    expect(() => addressesOf({ api: 'nope' }, {})).toThrow(/--api-address must be host:port/);
    expect(() => addressesOf({}, { MICRO_API_ADDRESS: 'x:99999' })).toThrow(/MICRO_API_ADDRESS must be host:port/);
    expect(() => addressesOf({ api: '127.0.0.1:8081' }, {})).toThrow(
      /proxy and api cannot both listen on 127\.0\.0\.1:8081/,
    );
  });

  it('that are nobody’s are told from those that are free', async () => {
    const [port] = await freePorts(1);
    const addresses = Object.fromEntries(
      platform.map(({ name }, index) => [name, index === 0 ? `203.0.113.1:${port}` : `127.0.0.1:${port}`]),
    );
    await expect(checkFree(addresses)).rejects.toThrow(
      /registry cannot listen on 203\.0\.113\.1:\d+ \(EADDRNOTAVAIL\)/,
    );
    expect(portHolder(port!)).toBeUndefined();
  });
});
