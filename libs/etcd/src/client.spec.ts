import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  etcdTool,
  type EtcdServers,
  freePort,
  haveTool,
  makeCertificates,
  startEtcd,
  temporaryFolder,
  until,
} from '@micro/testing';
import { Etcd3 } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { type EtcdAccess, EtcdClient } from './client.js';

const purpose = { id: 'registry', prefix: '/micro/registry/' };
const key = Buffer.from('/micro/registry/a');

/** Writes and reads with what is given. */
async function tried(access: EtcdAccess): Promise<void> {
  const client = new EtcdClient(access, purpose);
  try {
    await client.call(({ kv }) => kv.put({ key, value: key }));
    expect((await client.call(({ kv }) => kv.range({ key }))).kvs).toHaveLength(1);
  } finally {
    client.close();
  }
}

const refusal = (code: string, ...words: string[]) => ({
  code,
  id: 'registry',
  detail: expect.stringMatching(new RegExp(words.join('.*'))),
});

it('says what cannot be right before it connects', async () => {
  const addresses = ['127.0.0.1:1'];
  await expect(tried({ addresses: [] })).rejects.toMatchObject(refusal('invalid_argument', 'MICRO_ETCD_ADDRESS'));
  for (const tls of [{ ca: 'no PEM' }, { cert: 'a' }])
    await expect(tried({ addresses, tls })).rejects.toMatchObject(refusal('invalid_argument', 'MICRO_ETCD_CA'));
});

it('says what cannot be reached', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const unreachable = [[address], ['nowhere.invalid:2379'], [address, 'nowhere.invalid:2379']];
  await Promise.all(
    unreachable.map((addresses) =>
      expect(tried({ addresses })).rejects.toMatchObject(
        refusal('unavailable', addresses.join(', '), 'MICRO_ETCD_ADDRESS'),
      ),
    ),
  );
});

describe.skipIf(!haveTool(etcdTool))('with a real server', { timeout: 60_000 }, () => {
  it('knows TLS, on both sides', async () => {
    await using folder = await temporaryFolder();
    makeCertificates(folder.path);
    const at = (name: string) => join(folder.path, name);
    const pem = (name: string) => readFileSync(at(name), 'utf8');
    const args = ['--cert-file', at('server.pem'), '--key-file', at('server.key')];
    await using server = await startEtcd({ scheme: 'https', args });
    await using strict = await startEtcd({
      scheme: 'https',
      args: [...args, '--client-cert-auth', '--trusted-ca-file', at('ca.pem')],
    });
    await using other = await startEtcd({
      scheme: 'https',
      args: ['--cert-file', at('elsewhere.pem'), '--key-file', at('elsewhere.key')],
    });
    await using plain = await startEtcd();
    const own = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    await tried({ addresses: server.addresses, tls: { ca: own.ca } });
    await tried({ addresses: strict.addresses, tls: own });
    const distrusts = refusal('failed_precondition', 'certificate', 'MICRO_ETCD_CA');
    const mixedUp = refusal('unavailable', 'TLS exactly if MICRO_ETCD_CA');
    const refused: readonly [EtcdServers, EtcdAccess['tls'], object][] = [
      [server, { ca: pem('other.pem') }, distrusts],
      [server, {}, distrusts],
      [other, own, distrusts],
      [strict, { ca: own.ca }, distrusts],
      [plain, own, mixedUp],
      [server, undefined, mixedUp],
    ];
    await Promise.all(
      refused.map(([{ addresses }, tls, error]) => expect(tried({ addresses, tls })).rejects.toMatchObject(error)),
    );
  });

  it('knows users', async () => {
    await using server = await startEtcd();
    const { addresses } = server;
    const user = { username: 'root', password: 'secret' };
    await expect(tried({ addresses, ...user })).rejects.toMatchObject(refusal('failed_precondition', 'auth enable'));
    const etcd = new Etcd3({ hosts: addresses.map((address) => `http://${address}`) });
    for (const [name, password] of [
      ['root', 'secret'],
      ['reader', 'own'],
    ] as const) {
      await etcd.role(name).create();
      await etcd.user(name).create(password);
      await etcd.user(name).addRole(name);
    }
    await etcd.auth.authEnable();
    await tried({ addresses, ...user });
    const wrong = refusal('unauthenticated', 'MICRO_ETCD_USERNAME and MICRO_ETCD_PASSWORD');
    await expect(tried({ addresses })).rejects.toMatchObject(wrong);
    await expect(tried({ addresses, username: 'root' })).rejects.toMatchObject(wrong);
    await expect(tried({ addresses, username: 'nobody', password: 'secret' })).rejects.toMatchObject(wrong);
    await expect(tried({ addresses, username: 'reader', password: 'own' })).rejects.toMatchObject(
      refusal('permission_denied', 'readwrite /micro/registry/'),
    );
    // What a member gave as a sign of who somebody is it may have forgotten when it comes back.
    const client = new EtcdClient({ addresses, ...user }, purpose);
    await client.call(({ kv }) => kv.range({ key }));
    // Nor does it matter that rules have changed since.
    await client.call(({ auth }) => auth.userAdd({ name: 'another', password: 'one' }));
    await client.call(({ kv }) => kv.range({ key }));
    const [member] = server.members;
    await member?.kill();
    await member?.start();
    await until(
      'the client is known again',
      async () => (await client.call(({ kv }) => kv.range({ key }))).kvs.length === 1,
    );
    client.close();
    etcd.close();
  });

  it('says when etcd takes no more', async () => {
    await using server = await startEtcd({ args: ['--quota-backend-bytes', String(1024 * 1024)] });
    const client = new EtcdClient(server, purpose);
    const fill = async () => {
      for (;;) await client.call(({ kv }) => kv.put({ key, value: Buffer.alloc(500_000) }));
    };
    await expect(fill()).rejects.toMatchObject(refusal('resource_exhausted', 'space exceeded', 'etcdctl'));
    client.close();
  });
});
