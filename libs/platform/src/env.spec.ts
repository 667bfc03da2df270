import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { parseAddress } from './address.js';
import { readEnvironment, variableNames } from './env.js';

describe('readEnvironment', () => {
  it('has a default for everything', () => {
    const environment = readEnvironment({});
    expect(environment).toMatchObject({
      profile: 'local',
      namespace: 'micro',
      mdnsPort: 5353,
      stopGrace: 10_000,
      region: '',
    });
    expect(environment.address).toBeUndefined();
    expect(environment.home).toMatch(/\.micro$/);
  });

  it('reads what is set; empty counts as unset; the program wins', () => {
    const environment = readEnvironment(
      {
        MICRO_PROFILE: 'service',
        MICRO_ADDRESS: '[::1]:9000',
        MICRO_REGISTRY_ADDRESS: 'registry:8000',
        MICRO_NAME: '',
        MICRO_NAMESPACE: 'foo',
      },
      { namespace: 'bar', name: undefined },
    );
    expect(environment.profile).toBe('service');
    expect(environment.address).toEqual({ host: '::1', port: 9000 });
    expect(environment.name).toBeUndefined();
    expect(environment.namespace).toBe('bar');
  });

  it('names every wrong variable at once, with its value and the legal ones', () => {
    const read = () =>
      readEnvironment({
        MICRO_PROFILE: 'lokal',
        MICRO_REGISTRY: 'consul',
        MICRO_ADDRESS: '127.0.0.1:99999',
        MICRO_MDNS_PORT: 'x',
        MICRO_NAMESPACE: '../etc',
      });
    expect(read).toThrow('MICRO_PROFILE="lokal" is not legal; use one of test, local, service, staging, platform');
    expect(read).toThrow('MICRO_REGISTRY="consul" is not legal; use one of memory, mdns, etcd, remote');
    expect(read).toThrow('MICRO_ADDRESS="127.0.0.1:99999" is not legal; use host:port');
    expect(read).toThrow('MICRO_MDNS_PORT="x" is not legal; use a whole number from 1 to 65535');
    expect(read).toThrow('MICRO_NAMESPACE="../etc" is not legal');
    expect(() => readEnvironment({ MICRO_NAMESPACE: 'a'.repeat(101) })).toThrow('at most 100');
  });

  it.each(['', 'x', ':80', 'a b:80', '127.0.0.1:', '127.0.0.1:65536', '::1:80'])('refuses %j as an address', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('what is secret', () => {
  const seed = `SU${'A'.repeat(56)}`;
  const url = 'postgresql://root:hush@db:26257/micro';
  const problemsOf = (source: Record<string, string>) => {
    try {
      readEnvironment(source);
    } catch (error) {
      return (error as Error).message.split('\n');
    }
    throw new Error('nothing was wrong');
  };

  it('is given itself, or as a file that has it; the end of its line does not count', async () => {
    await using folder = await temporaryFolder();
    const place = (name: string) => join(folder.path, name);
    await writeFile(place('password'), ' of two words \n');
    await writeFile(place('url'), `${url}\r\n`);
    // As Kubernetes mounts a secret.
    await mkdir(place('..data'));
    await writeFile(place('..data/nkey'), seed);
    await symlink(place('..data/nkey'), place('nkey'));
    const environment = readEnvironment({
      MICRO_ETCD_PASSWORD_FILE: place('password'),
      MICRO_COCKROACH_URL_FILE: place('url'),
      MICRO_NATS_NKEY_FILE: place('nkey'),
      MICRO_NATS_TOKEN: 'hush',
      MICRO_NATS_TOKEN_FILE: '',
    });
    expect(environment).toMatchObject({
      etcdPassword: ' of two words ',
      cockroachUrl: url,
      natsNkey: seed,
      natsToken: 'hush',
    });
  });

  it('is told with all else that is wrong, and never shown', async () => {
    await using folder = await temporaryFolder();
    const place = (name: string) => join(folder.path, name);
    await writeFile(place('empty'), '\n');
    await writeFile(place('wrong'), 'hush');
    const problems = problemsOf({
      MICRO_ETCD_PASSWORD: 'hush',
      MICRO_ETCD_PASSWORD_FILE: place('wrong'),
      MICRO_NATS_TOKEN_FILE: place('empty'),
      MICRO_NATS_NKEY_FILE: place('wrong'),
      MICRO_NATS_CREDENTIALS: place('missing'),
      MICRO_NATS_REPLICAS: '6',
      MICRO_COCKROACH_URL: 'mysql://root:hush@db/micro',
    });
    expect(problems).toEqual([
      'MICRO_ETCD_PASSWORD and MICRO_ETCD_PASSWORD_FILE are both set; leave one out',
      `MICRO_NATS_TOKEN_FILE="${place('empty')}" is an empty file; it must hold one line of text`,
      `what is in MICRO_NATS_NKEY_FILE="${place('wrong')}" is not legal; use the seed of a user: 58 letters and digits that begin with SU`,
      `MICRO_NATS_CREDENTIALS="${place('missing')}" cannot be read (ENOENT); name a file that this user may read`,
      'MICRO_NATS_REPLICAS="6" is not legal; use 1, 3 or 5',
      expect.stringContaining('MICRO_COCKROACH_URL is not legal; use postgresql://USER:PASSWORD@HOST:PORT/DATABASE'),
    ]);
    expect(problems.join()).not.toContain('hush');
    expect(problemsOf({ MICRO_NATS_TOKEN_FILE: folder.path })[0]).toContain('cannot be read (EISDIR)');
  });

  it('of a database has no parameters that mean nothing, or not what they say', () => {
    const url = 'postgresql://me:hush@db/micro';
    for (const legal of ['', '?sslmode=disable', '?sslmode=verify-full&application_name=a', '?options=-c%20a%3Db'])
      expect(readEnvironment({ MICRO_COCKROACH_URL: url + legal }).cockroachUrl).toBe(url + legal);
    for (const wrong of ['?sslmode=prefer', '?sslrootcert=ca.pem', '?sslmode', '?constructor=a'])
      expect(problemsOf({ MICRO_COCKROACH_URL: url + wrong, MICRO_NATS_REPLICAS: '2' })).toEqual([
        'MICRO_NATS_REPLICAS="2" is not legal; use 1, 3 or 5',
        'MICRO_COCKROACH_URL is not legal; use postgresql://USER:PASSWORD@HOST:PORT/DATABASE, behind it at most ?sslmode=disable, require or verify-full, application_name and options',
      ]);
  });

  it('may be named a file where it is none, which is then no variable', () => {
    expect(readEnvironment({ MICRO_NAME_FILE: '/missing' }).name).toBeUndefined();
    expect(variableNames).toContain('MICRO_NATS_TOKEN_FILE');
    expect(variableNames).not.toContain('MICRO_NAME_FILE');
  });

  it('of certificates and keys is read from the files that are named', async () => {
    await using folder = await temporaryFolder();
    const pem = (what: string) => `-----BEGIN ${what}-----\nAAAA\n-----END ${what}-----\n`;
    const [ca, key] = [join(folder.path, 'ca.crt'), join(folder.path, 'client.key')];
    await writeFile(ca, pem('CERTIFICATE'));
    await writeFile(key, pem('EC PRIVATE KEY'));
    const { etcdCa, etcdCert, etcdKey } = readEnvironment({
      MICRO_ETCD_CA: ca,
      MICRO_ETCD_CERT: ca,
      MICRO_ETCD_KEY: key,
    });
    expect([etcdCa, etcdCert, etcdKey]).toEqual([
      pem('CERTIFICATE').trim(),
      pem('CERTIFICATE').trim(),
      pem('EC PRIVATE KEY').trim(),
    ]);
    expect(problemsOf({ MICRO_NATS_CA: key, MICRO_COCKROACH_KEY: ca })).toEqual([
      `what is in MICRO_NATS_CA="${key}" is not legal; use a file of certificates in PEM, which has BEGIN CERTIFICATE in it`,
      `what is in MICRO_COCKROACH_KEY="${ca}" is not legal; use a file with a private key in PEM, which has BEGIN PRIVATE KEY in it`,
    ]);
  });
});
