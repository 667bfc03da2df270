import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { haveTool, makeCertificates, postgresTool, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CockroachStore } from './cockroach.js';
import type { CockroachOptions } from './cockroach-options.js';
import { CockroachServer, statement } from './cockroach-server.rig.js';

const value = new Uint8Array(1);
/** Who may come in, and how: pg_hba.conf. */
const doors = `
  host    all micro   127.0.0.1/32 trust
  hostssl all client  127.0.0.1/32 cert
  hostssl all guarded 127.0.0.1/32 scram-sha-256
  host    all plain   127.0.0.1/32 scram-sha-256
`;

describe.skipIf(!haveTool(postgresTool))('a server that wants to know who comes', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let server: CockroachServer;

  beforeAll(async () => {
    folder = await temporaryFolder();
    makeCertificates(folder.path);
    writeFileSync(join(folder.path, 'doors'), doors);
    // The server is not root, and reads a key only if nobody else does.
    if (process.getuid?.() === 0) {
      const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
      for (const name of ['.', 'server.key', 'doors']) chownSync(join(folder.path, name), id('-u'), id('-g'));
    }
    server = await CockroachServer.start({
      settings: {
        hba_file: join(folder.path, 'doors'),
        ssl: 'on',
        ssl_cert_file: join(folder.path, 'server.pem'),
        ssl_key_file: join(folder.path, 'server.key'),
        ssl_ca_file: join(folder.path, 'ca.pem'),
      },
    });
    const administrator = server.connection();
    for (const name of ['client', 'guarded', 'plain'])
      await administrator.rows(statement(`CREATE USER ${name} SUPERUSER PASSWORD 'hunter2'`, false));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const pem = (name: string) => readFileSync(join(folder.path, name), 'utf8');
  const as = (user: string, more = '') => server.url.replace('micro@', `${user}@`) + more;
  /** What comes of a write: `written`, or the error, in which there is no password wherever one looks. */
  const attempt = async (options: CockroachOptions) => {
    const store = new CockroachStore(options);
    try {
      await store.write({ key: 'a', value });
      return 'written';
    } catch (error) {
      const { code, message, stack, cause } = error as Error & { code: string };
      for (const one of [message, stack, JSON.stringify(error), inspect(cause, { depth: 9 })])
        expect(one ?? '').not.toContain('hunter2');
      return `${code}: ${message}`;
    } finally {
      await store.close();
    }
  };

  it('is spoken to in secret, where its certificate is one of the authority that was named', async () => {
    expect(await attempt({ url: as('guarded:hunter2'), ca: pem('ca.pem') })).toBe('written');
    expect(
      await attempt({ url: as('client'), ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') }),
    ).toBe('written');
    expect(await attempt({ url: as('plain:hunter2') })).toBe('written');
  });

  it.each([
    ['an authority that did not sign it', () => ({ url: as('guarded:hunter2'), ca: pem('other.pem') }), /CA/],
    ['no authority', () => ({ url: as('guarded:hunter2', '?sslmode=verify-full') }), /CA/],
    [
      'another host',
      () => ({ url: as('guarded:hunter2').replace('127.0.0.1', 'localhost'), ca: pem('ca.pem') }),
      /host/,
    ],
    ['no PEM', () => ({ url: as('guarded:hunter2'), ca: pem('ca.pem'), cert: 'x', key: 'y' }), /MICRO_COCKROACH_CERT/],
    ['another password', () => ({ url: as('guarded:hunter2x'), ca: pem('ca.pem') }), /password in MICRO_COCKROACH_URL/],
    ['no password', () => ({ url: as('plain') }), /password.*MICRO_COCKROACH_URL/],
    ['nobody it knows', () => ({ url: as('nobody:hunter2'), ca: pem('ca.pem') }), /MICRO_COCKROACH_URL/],
    ['no certificate', () => ({ url: as('client'), ca: pem('ca.pem') }), /MICRO_COCKROACH_CERT/],
    [
      'the certificate of somebody else',
      () => ({ url: as('guarded'), ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') }),
      /password/,
    ],
    ['no secrecy', () => ({ url: as('guarded:hunter2', '?sslmode=disable') }), /MICRO_COCKROACH_URL/],
  ])('is not spoken to with %s; which setting that is, is said', async (_, options, words) => {
    const said = await attempt(options());
    expect(said).toMatch(/^failed_precondition: /);
    expect(said).toMatch(words);
    expect(said).toContain(new URL(server.url).port);
  });
});
