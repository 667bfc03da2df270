/** Debian's servers that both sides of a row use: each on a free port of 127.0.0.1, its data gone with `stop`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, until } from './processes.mjs';

export async function startNats() {
  const [port] = await freePorts(1);
  return serve('nats-server', { package: 'nats-server', port, args: () => ['-a', '127.0.0.1', '-p', `${port}`] });
}

/** One member, which syncs what it is told as it does by default. */
export async function startEtcd() {
  const [port, peer] = await freePorts(2);
  const url = (at) => `http://127.0.0.1:${at}`;
  const args = (folder) => [
    ...['--data-dir', folder, '--listen-client-urls', url(port), '--advertise-client-urls', url(port)],
    ...[
      '--listen-peer-urls',
      url(peer),
      '--initial-advertise-peer-urls',
      url(peer),
      '--initial-cluster',
      `default=${url(peer)}`,
    ],
  ];
  return serve('etcd', { package: 'etcd-server', port, args });
}

async function serve(file, { package: name, port, args }) {
  const folder = mkdtempSync(join(tmpdir(), `micro-bench-${file}-`));
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const server = spawn(file, args(folder), { env, stdio: 'ignore' });
  server.once('error', () => {
    console.error(`${file} is missing: apt-get install ${name}`);
    process.exit(1);
  });
  const stop = async () => {
    const exited = once(server, 'exit');
    server.kill();
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  await until(`${file} listens`, () => listens(port));
  return { port, stop };
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
