import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MicroError } from '@micro/errors';
import { nkeys } from '@nats-io/transport-node';
import {
  freePort,
  haveTool,
  link,
  makeCertificates,
  natsTool,
  startNats,
  temporaryFolder,
  until,
} from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { type NatsClient, openNats } from './client.js';
import { credentialsRig } from './credentials.fixture.js';
import type { NatsOptions } from './options.js';

/** Opens, and tries that something goes there and back. */
async function tried(options: Omit<NatsOptions, 'id'>): Promise<NatsClient> {
  const nats = await openNats({ id: 'broker', warn: () => undefined, ...options });
  const heard = new Promise<string>((resolve) => {
    nats.connection.subscribe('there', { callback: (_error, message) => resolve(message.string()) });
  });
  nats.connection.publish('there', 'and back');
  await nats.flush();
  expect(await heard).toBe('and back');
  return nats;
}

const works = async (options: Omit<NatsOptions, 'id'>) => (await tried(options)).close();
const refusal = (code: string, ...words: string[]) => ({
  code,
  id: 'broker',
  detail: expect.stringMatching(new RegExp(words.join('.*'))),
});

it('says what cannot be right before it connects', async () => {
  const servers = ['127.0.0.1:1'];
  await expect(tried({ servers: [] })).rejects.toMatchObject(refusal('invalid_argument', 'MICRO_NATS_ADDRESS'));
  await expect(tried({ servers, nkey: 'SUnot' })).rejects.toMatchObject(refusal('invalid_argument', 'MICRO_NATS_NKEY'));
  await expect(tried({ servers, credentials: 'not' })).rejects.toMatchObject(
    refusal('invalid_argument', 'MICRO_NATS_CREDENTIALS'),
  );
  await expect(tried({ servers, token: 'a', credentials: 'b' })).rejects.toMatchObject(
    refusal('invalid_argument', 'MICRO_NATS_TOKEN', 'MICRO_NATS_CREDENTIALS'),
  );
  await expect(tried({ servers, tls: { cert: 'a' } })).rejects.toMatchObject(
    refusal('invalid_argument', 'MICRO_NATS_KEY'),
  );
});

it('says which server cannot be reached', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  await expect(tried({ servers: [address] })).rejects.toMatchObject(
    refusal('unavailable', address, 'MICRO_NATS_ADDRESS'),
  );
  await expect(tried({ servers: ['nowhere.invalid:4222'] })).rejects.toMatchObject(
    refusal('unavailable', 'nowhere.invalid:4222'),
  );
});

describe.skipIf(!haveTool(natsTool))('with a real server', { timeout: 60_000 }, () => {
  it('knows tokens', async () => {
    await using server = await startNats({ config: 'authorization { token: secret }' });
    const servers = server.addresses;
    await works({ servers, token: 'secret' });
    for (const token of ['wrong', undefined])
      await expect(tried({ servers, token })).rejects.toMatchObject(refusal('unauthenticated', 'MICRO_NATS_TOKEN'));
  });

  it('knows nkeys', async () => {
    const [user, other] = [nkeys.createUser(), nkeys.createUser()];
    const seedOf = (key: typeof user) => new TextDecoder().decode(key.getSeed());
    await using server = await startNats({ config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }` });
    const servers = server.addresses;
    await works({ servers, nkey: `${seedOf(user)}\n` });
    await expect(tried({ servers, nkey: seedOf(other) })).rejects.toMatchObject(
      refusal('unauthenticated', 'MICRO_NATS_NKEY'),
    );
  });

  it('knows credentials files', async () => {
    const { config, credentials, stranger } = credentialsRig();
    await using server = await startNats({ config });
    const servers = server.addresses;
    await works({ servers, credentials });
    await works({ servers, credentials: credentials.replaceAll('\n', '\r\n') });
    await expect(tried({ servers, credentials: stranger })).rejects.toMatchObject(
      refusal('unauthenticated', 'MICRO_NATS_CREDENTIALS'),
    );
  });

  it('knows TLS, on both sides', async () => {
    await using folder = await temporaryFolder();
    const at = (name: string) => join(folder.path, name);
    const pem = (name: string) => readFileSync(at(name), 'utf8');
    makeCertificates(folder.path);
    const tls = `cert_file: "${at('server.pem')}", key_file: "${at('server.key')}"`;
    await using server = await startNats({ config: `tls { ${tls} }` });
    await using strict = await startNats({ config: `tls { ${tls}, ca_file: "${at('ca.pem')}", verify: true }` });
    const elsewhere = `cert_file: "${at('elsewhere.pem')}", key_file: "${at('elsewhere.key')}"`;
    await using other = await startNats({ config: `tls { ${elsewhere} }` });
    const own = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    const wrong = refusal('failed_precondition', 'MICRO_NATS_CA');
    await works({ servers: server.addresses, tls: { ca: pem('ca.pem') } });
    await works({ servers: strict.addresses, tls: own });
    await expect(tried({ servers: server.addresses, tls: { ca: pem('other.pem') } })).rejects.toMatchObject(wrong);
    await expect(tried({ servers: other.addresses, tls: own })).rejects.toMatchObject(wrong);
    await expect(tried({ servers: server.addresses })).rejects.toMatchObject(wrong);
    await expect(tried({ servers: server.addresses, tls: { ca: 'no PEM' } })).rejects.toMatchObject(wrong);
    await expect(tried({ servers: strict.addresses, tls: { ca: pem('ca.pem') } })).rejects.toMatchObject({
      code: expect.stringMatching(/failed_precondition|unavailable/),
      detail: expect.stringContaining('MICRO_NATS_CERT'),
    });
    await using plain = await startNats();
    await expect(tried({ servers: plain.addresses, tls: own })).rejects.toMatchObject(
      refusal('failed_precondition', 'does not speak TLS'),
    );
  });

  it('says what a user may not do', async () => {
    const config = 'authorization { users: [ { user: u, password: p, permissions: { publish: "there" } } ] }';
    await using server = await startNats({ config: `${config}\nno_auth_user: u` });
    const warnings: string[] = [];
    const nats = await openNats({ id: 'broker', servers: server.addresses, warn: (message) => warnings.push(message) });
    nats.connection.publish('elsewhere', 'x');
    await nats.flush();
    await until('it is said', () => warnings.some((warning) => /publish to elsewhere/.test(warning)));
    await nats.close();
  });

  it.each(['stop', 'kill'] as const)('comes back after %s, and says so', async (end) => {
    await using server = await startNats();
    const [member] = server.members as [(typeof server.members)[0]];
    const warnings: string[] = [];
    const told: boolean[] = [];
    const nats = await openNats({ id: 'broker', servers: server.addresses, warn: (message) => warnings.push(message) });
    nats.listen((connected) => void told.push(connected));
    const heard: string[] = [];
    nats.connection.subscribe('there', { callback: (_error, message) => void heard.push(message.string()) });
    nats.connection.subscribe('silence', { callback: () => undefined });
    const request = nats.whileConnected(nats.connection.request('silence', '', { timeout: 60_000 }));
    await Promise.all([
      expect(request).rejects.toMatchObject(refusal('unavailable', 'lost')),
      nats.flush().then(() => member[end]()),
    ]);
    await until('it is noticed', () => !nats.isConnected);
    expect(() => nats.check()).toThrow(expect.objectContaining(refusal('unavailable', 'lost', 'MICRO_NATS_ADDRESS')));
    await expect(nats.flush()).rejects.toMatchObject({ code: 'unavailable' });
    await member.start();
    await until('it is back', () => nats.isConnected);
    nats.connection.publish('there', 'again');
    await nats.flush();
    await until('it is heard', () => heard.includes('again'));
    expect(told).toEqual([false, true]);
    expect(warnings.filter((warning) => warning.includes('is lost'))).toHaveLength(1);
    expect(warnings.at(-1)).toContain('there again');
    await nats.close();
    await nats.close();
    expect(() => nats.check()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('says of a server that refuses it when it comes back what to look at, and takes it when it does not any more', async () => {
    await using server = await startNats({ config: 'authorization { token: secret }' });
    await using other = await startNats({ config: 'authorization { token: changed }' });
    const [address, refusing] = [server.addresses[0] as string, other.addresses[0] as string];
    const way = await link(address);
    const nats = await tried({ servers: [way.address], token: 'secret' });
    way.mend(refusing);
    const said = () => nats.flush().catch((error: MicroError) => error.detail.includes('MICRO_NATS_TOKEN') && error);
    expect(await until('it is refused', said)).toMatchObject({ code: 'unavailable', id: 'broker' });
    way.mend(address);
    await until('it is back', () => nats.isConnected);
    await nats.flush();
    await nats.close();
    await way.end();
  });

  it('goes on with another member of a cluster, also with one that was not there at first', async () => {
    await using cluster = await startNats({ members: 3 });
    const warnings: string[] = [];
    const [first, second] = cluster.addresses as [string, string];
    await cluster.members[1]?.kill();
    const nats = await openNats({ id: 'broker', servers: [first, second], warn: (message) => warnings.push(message) });
    expect(nats.connection.getServers().map(({ listen }) => listen)).toContain(second);
    await cluster.members[1]?.start();
    await cluster.members[0]?.kill();
    await until('the loss is noticed', () => warnings.length > 0);
    await until('another is found', () => nats.isConnected);
    await nats.flush();
    await nats.close();
  });

  it('notices a server that answers nothing', async () => {
    await using server = await startNats();
    const [member] = server.members as [(typeof server.members)[0]];
    const nats = await openNats({ id: 'broker', servers: server.addresses, warn: () => undefined });
    member.pause();
    const missed = () =>
      nats.flush().then(
        () => false as const,
        (error: unknown) => error,
      );
    expect(await until('an answer is missed', missed)).toMatchObject(
      refusal('unavailable', server.addresses[0] as string),
    );
    await until('it counts as lost', () => !nats.isConnected, 30_000);
    member.resume();
    await until('it is back', () => nats.isConnected, 30_000);
    await nats.flush();
    await nats.close();
  });
});
