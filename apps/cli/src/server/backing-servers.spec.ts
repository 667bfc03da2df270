import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { freePorts, temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runMicro } from '../program.fixture.js';

/** What is there of a server: a port, and what it says to whoever comes. */
async function listener(greeting: string): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer((socket) => socket.on('error', () => undefined).write(greeting));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as { port: number }).port}` };
}

const withJetStream = 'INFO {"server_id":"N","max_payload":1048576,"jetstream":true} \r\n';

describe('servers that a profile needs', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let away: string[];
  let env: Record<string, string>;
  const open: Server[] = [];
  const listening = async (greeting = '') => {
    const { server, address } = await listener(greeting);
    open.push(server);
    return address;
  };

  beforeEach(async () => {
    folder = await temporaryFolder();
    away = (await freePorts(4)).map((port) => `127.0.0.1:${port}`);
    env = {
      MICRO_HOME: join(folder.path, 'home'),
      MICRO_ETCD_ADDRESS: `${away[0]},${away[1]}`,
      MICRO_NATS_ADDRESS: away[2] as string,
      MICRO_COCKROACH_URL: `postgresql://root:hush@${away[3]}/micro`,
    };
  });
  afterEach(async () => {
    for (const server of open.splice(0)) server.close();
    await folder[Symbol.asyncDispose]();
  });

  it('are all named before anything is started, with where they were looked for and how to start them', async () => {
    const { code, stderr } = await runMicro(['server', '--profile', 'staging'], { env });
    expect(code).toBe(4);
    const lines = stderr.trim().split(/\n +/);
    expect(lines.slice(0, 4)).toEqual([
      `error: etcd (who runs where): nothing answers at ${away[0]} (ECONNREFUSED); nothing answers at ${away[1]} (ECONNREFUSED)`,
      'set MICRO_ETCD_ADDRESS, or start one:',
      'docker compose -f docker/compose.yaml up -d etcd',
      'etcd --data-dir ~/.micro/etcd (apt-get install etcd-server)',
    ]);
    expect(lines).toContain(`NATS (messages, events and blobs): nothing answers at ${away[2]} (ECONNREFUSED)`);
    expect(lines).toContain(`CockroachDB (records): nothing answers at ${away[3]} (ECONNREFUSED)`);
    expect(stderr).not.toContain('hush');
  });

  it('are enough with one member of several; NATS needs JetStream', async () => {
    env = { ...env, MICRO_ETCD_ADDRESS: `${away[0]},${await listening()}` };
    env = { ...env, MICRO_NATS_ADDRESS: await listening('INFO {"server_id":"N"} \r\n') };
    const { code, stderr } = await runMicro(['--profile', 'platform', 'server', '--detach'], { env });
    expect(code).toBe(4);
    expect(stderr).not.toContain('etcd (');
    expect(stderr).toContain(`${env['MICRO_NATS_ADDRESS']} answers, but without JetStream`);
  });

  it('are looked for where a block is told to use one, and nowhere on a laptop', async () => {
    const { stderr } = await runMicro(['server'], { env: { ...env, MICRO_STORE: 'cockroach' } });
    expect(stderr).toContain('CockroachDB (records)');
    expect(stderr).toContain('NATS (');
    expect(stderr).not.toContain('etcd (');
    const locking = await runMicro(['server'], { env: { ...env, MICRO_LOCKS: 'etcd' } });
    expect(locking.stderr).toContain('etcd (locks)');
    expect(locking.stderr).not.toContain('NATS (');
    const doctor = await runMicro(['doctor'], { env });
    expect(doctor.stdout).not.toContain('CockroachDB');
  });

  it('are what doctor looks at, too', async () => {
    env = { ...env, MICRO_NATS_ADDRESS: await listening(withJetStream), MICRO_PROFILE: 'staging' };
    const findings = async (more: Record<string, string> = {}) => {
      const { stdout } = await runMicro(['doctor', '-o', 'json'], { env: { ...env, ...more } });
      return JSON.parse(stdout) as { name: string; result: string; finding: string; advice: string }[];
    };
    const found = await findings();
    expect(found.find(({ name }) => name === 'etcd')).toMatchObject({
      result: 'failed',
      finding: expect.stringContaining(`nothing answers at ${away[0]}`),
      advice: expect.stringContaining('set MICRO_ETCD_ADDRESS, or start one'),
    });
    expect(found.find(({ name }) => name === 'NATS')).toMatchObject({ result: 'ok' });
    expect(found.find(({ name }) => name === 'CockroachDB')).toMatchObject({ result: 'failed' });
    expect(await findings({ MICRO_NATS_REPLICAS: 'many' })).toContainEqual(
      expect.objectContaining({
        name: 'settings',
        finding: 'MICRO_NATS_REPLICAS="many" is not legal; use 1, 3 or 5',
      }),
    );
  });

  it('are not looked for where processes of a server would find nobody, or ask themselves', async () => {
    const alone = await runMicro(['server'], { env: { ...env, MICRO_REGISTRY: 'memory' } });
    expect(alone.code).toBe(1);
    expect(alone.stderr).toBe(
      'error: registry "memory" is each process for itself, and none would find another: set MICRO_REGISTRY=mdns or etcd\n',
    );
    const asking = await runMicro(['server', '--profile', 'service'], { env: { ...env, MICRO_STORE: 'file' } });
    expect(asking.code).toBe(1);
    expect(asking.stderr).toBe(
      'error: registry, broker and runtime "remote" is for those who call a server, which would ask itself: set MICRO_PROFILE=local or staging, or leave MICRO_REGISTRY, MICRO_BROKER and MICRO_RUNTIME out\n',
    );
    // Whoever runs a service of their own so has nothing to correct.
    const doctor = await runMicro(['doctor', '--profile', 'service', '-o', 'json'], { env });
    expect(JSON.parse(doctor.stdout)).not.toContainEqual(expect.objectContaining({ name: 'settings' }));
  });

  it('or not, what is not legal is said once, before anything is started', async () => {
    const wrong = { ...env, MICRO_LOG_LEVEL: 'loud', MICRO_MESSAGE_LIMIT: 'x' };
    const { code, stderr } = await runMicro(['server'], { env: wrong });
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      'error: MICRO_LOG_LEVEL="loud" is not legal; use one of debug, info, warn, error, silent',
      '       MICRO_MESSAGE_LIMIT="x" is not legal; use a whole number from 65536 to 268435456',
    ]);
  });

  it('say with all that is wrong which settings are not legal', async () => {
    const { code, stderr } = await runMicro(['server', '--profile', 'stagin'], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('MICRO_PROFILE="stagin" is not legal; use one of test, local, service, staging, platform');
    const wrong = { ...env, MICRO_ETCD_ADDRESS: 'etcd', MICRO_COCKROACH_URL: 'root:hush@db' };
    const { stderr: all } = await runMicro(['server', '--profile', 'staging'], { env: wrong });
    expect(all).toContain('MICRO_ETCD_ADDRESS="etcd" is not legal; use host:port, or several');
    expect(all).toContain('MICRO_COCKROACH_URL is not legal; use postgresql://');
    expect(all).not.toContain('hush');
  });
});
