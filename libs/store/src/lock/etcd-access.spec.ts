import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EtcdAccess } from '@micro/etcd';
import {
  etcdTool,
  type EtcdServers,
  haveTool,
  makeCertificates,
  startEtcd,
  temporaryFolder,
  until,
} from '@micro/testing';
import { Etcd3, Range } from 'etcd3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Locks } from './locks.js';
import { openLocks } from './open.js';

const timeout = 60_000;

describe.skipIf(!haveTool(etcdTool))('an etcd that asks for certificates and passwords', { timeout }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let etcd: EtcdServers;
  let access: EtcdAccess;
  let opened: Locks[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    makeCertificates(folder.path);
    const at = (name: string) => join(folder.path, name);
    const pem = (name: string) => readFileSync(at(name), 'utf8');
    const args = ['--cert-file', at('server.pem'), '--key-file', at('server.key')];
    etcd = await startEtcd({
      scheme: 'https',
      args: [...args, '--client-cert-auth', '--trusted-ca-file', at('ca.pem')],
    });
    const { addresses } = etcd;
    const tls = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    access = { addresses, tls, username: 'locks', password: 'hush' };
    const bytes = (text: string) => Buffer.from(text);
    const credentials = { rootCertificate: bytes(tls.ca), certChain: bytes(tls.cert), privateKey: bytes(tls.key) };
    const administrator = new Etcd3({ hosts: `https://${addresses[0]}`, credentials });
    // All that locks need, as docs/adapters/etcd.md says.
    const role = administrator.role('locks');
    await role.create();
    await role.grant({ permission: 'Readwrite', range: Range.prefix('/micro/locks/') });
    for (const [name, password] of Object.entries({ root: 'root', locks: 'hush', nobody: 'hush' })) {
      const user = administrator.user(name);
      await user.create(password);
      if (name === 'root') await user.addRole('root');
      if (name === 'locks') await user.addRole('locks');
    }
    await administrator.auth.authEnable();
    administrator.close();
  });
  afterEach(async () => {
    await Promise.all(opened.map((locks) => locks.close()));
    opened = [];
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const open = async (other: Partial<EtcdAccess> = {}) => {
    const locks = await openLocks({ adapter: 'etcd', ...access, ...other });
    opened.push(locks);
    return locks;
  };

  it('has locks that are kept, waited for and handed on, also when it was started again and knows no session any more', async () => {
    const [one, two] = [await open(), await open()];
    const lock = await one.acquire('a', { ttl: 30_000 });
    await expect(two.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'aborted' });
    const next = two.acquire('a', { ttl: 30_000 });
    await expect(one.take('a', 'in-between', { wait: 1 })).rejects.toMatchObject({ code: 'aborted' });
    for (const member of etcd.members) {
      await member.kill();
      await member.start();
    }
    await until('it can be renewed', () => lock.renew().then(() => true), 20_000);
    await lock.renew();
    expect(lock.held).toBe(true);
    await lock.release();
    expect((await next).token).toBeGreaterThan(lock.token);
  });

  it.each([
    ['another password', { password: 'hash' }, 'unauthenticated', 'MICRO_ETCD_PASSWORD'],
    ['a user who may not', { username: 'nobody' }, 'permission_denied', 'readwrite /micro/locks/'],
    ['no encryption', { tls: undefined }, 'unavailable', 'does it speak TLS exactly if MICRO_ETCD_CA'],
  ])('refuses %s, and which setting that is, is said', async (_, other, code, words) => {
    const locks = await open(other);
    const error: unknown = await locks.acquire('b').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, id: 'store', detail: expect.stringContaining(words) as string });
    expect((error as Error).message).not.toContain('hush');
  });
});
