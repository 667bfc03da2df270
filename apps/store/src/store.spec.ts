import { spawn } from 'node:child_process';
import type { RunningApp } from '@micro/platform';
import { storeProto } from '@micro/proto';
import { openRegistry, type Registry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { openStore, type Store } from '@micro/store';
import { haveTool, temporaryFolder, toolPath } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { post, startOnFiles } from './store-app.rig.js';

const grpcurl = haveTool({ name: 'grpcurl', go: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3' });
const soon = { timeout: 10_000, interval: 10 };
const bytes = (text: string) => new TextEncoder().encode(text);

describe('the records of the store app', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let app: RunningApp;
  let registry: Registry;
  let client: Client;
  let store: Store;

  beforeEach(async () => {
    folder = await temporaryFolder();
    registry = await openRegistry({ adapter: 'memory' });
    app = await startOnFiles(folder.path, registry);
    client = new Client({ discovery: fixedTargets(app.address) });
    store = await openStore({ adapter: 'remote', client });
  });
  afterEach(async () => {
    await store.close();
    await client.close();
    await app.stop();
    await registry.close();
    await folder[Symbol.asyncDispose]();
  });

  const call = (method: string, body: unknown, namespace = 'curl') =>
    post(`${app.address}/store.Store/${method}`, body, namespace);
  const versionOf = async (key: string, namespace?: string) => {
    const { record } = (await call('Read', { key }, namespace)).body as { record: { version: string } };
    return record.version;
  };
  /** What a stream of grpcurl has said so far. */
  const stream = (method: string, request: object, namespace = 'curl') => {
    const child = spawn(
      'grpcurl',
      ['-plaintext', '-H', `micro-namespace: ${namespace}`, '-d', '@', app.address, `store.Store/${method}`],
      { env: { ...process.env, PATH: toolPath() } },
    );
    let said = '';
    for (const output of [child.stdout, child.stderr]) output.on('data', (chunk) => (said += chunk));
    child.stdin.end(
      Array.isArray(request) ? request.map((one) => JSON.stringify(one)).join('\n') : JSON.stringify(request),
    );
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    return {
      said: () => said,
      ended,
      messages: () => JSON.parse(`[${said.replace(/^}\s*{/gm, '},{')}]`) as readonly Record<string, unknown>[],
      kill: () => child.kill('SIGKILL'),
    };
  };

  describe('by curl', () => {
    it('are written, read and deleted, on conditions too', async () => {
      const value = btoa('hello');
      const written = await call('Write', { record: { key: 'a/ö', value, metadata: { by: 'me' } }, ifVersion: '0' });
      const version = await versionOf('a/ö');
      expect(version).toMatch(/^[1-9]\d*$/);
      const record = { key: 'a/ö', value, metadata: { by: 'me' }, version };
      expect(written).toEqual({ status: 200, body: { record } });
      expect(await call('Read', { key: 'a/ö' })).toEqual({ status: 200, body: { record } });
      const late = await call('Write', { record: { key: 'a/ö' }, ifVersion: '0' });
      expect(late).toMatchObject({ status: 409, body: { code: 'aborted' } });
      expect(late.body['message']).toContain('read it again');
      expect((await call('Delete', { key: 'a/ö', ifVersion: '99999999999999' })).status).toBe(409);
      expect(await call('Delete', { key: 'a/ö', ifVersion: version })).toEqual({ status: 200, body: {} });
      expect(await call('Delete', { key: 'a/ö' })).toEqual({ status: 200, body: {} });
      const gone = await call('Read', { key: 'a/ö' });
      expect(gone).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(gone.body['message']).toContain('"a/ö" in table "micro" of database "curl"');
    });

    it('expire, and have their time as a text', async () => {
      const before = Date.now();
      const { body } = await call('Write', { record: { key: 'a', value: 'AA', ttlMs: '60000' } });
      const { expiresAt } = (body as { record: { expiresAt: string } }).record;
      expect(typeof expiresAt).toBe('string');
      expect(Number(expiresAt)).toBeGreaterThanOrEqual(before + 60_000);
      expect(Number(expiresAt)).toBeLessThanOrEqual(Date.now() + 60_000);
      await call('Write', { record: { key: 'short', ttlMs: 1 } });
      await expect.poll(async () => (await call('Read', { key: 'short' })).status, soon).toBe(404);
    });

    it('change together or not at all', async () => {
      const write = (key: string) => ({ write: { key, value: btoa(key) }, ifVersion: '0' });
      const { body } = await call('Transact', { changes: [write('a'), write('b')] });
      expect(body).toEqual({ versions: [await versionOf('a'), await versionOf('b')] });
      const changes = [{ delete: 'a' }, { check: 'b', ifVersion: '0' }, write('c')];
      const refused = await call('Transact', { changes });
      expect(refused).toMatchObject({ status: 409, body: { code: 'aborted' } });
      expect(refused.body['message']).toContain('"b"');
      expect((await call('List', { keysOnly: true })).body).toMatchObject({ records: [{ key: 'a' }, { key: 'b' }] });
      const version = await versionOf('b');
      const right = [{ delete: 'a' }, { check: 'b', ifVersion: version }];
      expect((await call('Transact', { changes: right })).body).toEqual({ versions: ['0', version] });
    });

    it('are listed by page, both ways, by prefix and suffix', async () => {
      for (const key of ['a1', 'a2', 'a3x', 'b', '%', '_']) await call('Write', { record: { key, value: btoa(key) } });
      const pages: string[][] = [];
      for (let cursor: string | undefined = '', rounds = 0; cursor !== undefined && rounds < 9; rounds++) {
        const { body } = await call('List', { prefix: 'a', limit: 2, cursor });
        const page = body as { records: { key: string; value?: string }[]; cursor?: string };
        pages.push(page.records.map(({ key, value = '' }) => `${key}=${atob(value)}`));
        ({ cursor } = page);
      }
      expect(pages).toEqual([['a1=a1', 'a2=a2'], ['a3x=a3x']]);
      const keys = async (request: object) => {
        const { records = [] } = (await call('List', request)).body as { records?: { key: string }[] };
        return records.map(({ key }) => key).join(' ');
      };
      expect(await keys({ descending: true })).toBe('b a3x a2 a1 _ %');
      expect(await keys({ offset: 2, limit: 2 })).toBe('a1 a2');
      expect([await keys({ prefix: '%' }), await keys({ prefix: '_' }), await keys({ suffix: 'x' })]).toEqual([
        '%',
        '_',
        'a3x',
      ]);
      expect(await call('List', { prefix: 'nothing' })).toEqual({ status: 200, body: {} });
      const { records } = (await call('List', { keysOnly: true })).body as { records: object[] };
      expect(records.filter((record) => 'value' in record)).toEqual([]);
    });

    it('come in pages that a message can hold', async () => {
      const value = new Uint8Array(2 * 1024 * 1024).fill(7);
      for (const key of ['a', 'b', 'c']) await store.write({ key, value }, { database: 'curl' });
      const { status, body } = await call('List', {});
      expect([status, (body['records'] as unknown[]).length]).toEqual([200, 1]);
      const next = await call('List', { cursor: body['cursor'] });
      expect(next.body['records']).toMatchObject([{ key: 'b' }]);
    });

    it('tell of their tables and databases', async () => {
      for (const table of ['', 'orders', 'Orders']) await call('Write', { record: { key: 'a' }, table });
      expect(await call('Tables', {})).toEqual({ status: 200, body: { tables: ['Orders', 'micro', 'orders'] } });
      expect(await call('Databases', {})).toEqual({ status: 200, body: { databases: ['curl'] } });
      expect((await call('Read', { key: 'a', table: 'orders' })).status).toBe(200);
      await call('Delete', { key: 'a', table: 'orders' });
      expect((await call('Tables', {})).body).toEqual({ tables: ['Orders', 'micro'] });
      expect([await call('Tables', {}, 'empty'), await call('Databases', {}, 'empty')]).toEqual([
        { status: 200, body: {} },
        { status: 200, body: {} },
      ]);
    });

    const long = 'x'.repeat(10_000);
    it.each([
      ['no key', 'Read', {}, 'the key is empty'],
      ['a key of 10,000 characters', 'Read', { key: long }, '2048 are the most'],
      ['a key that is a number', 'Read', { key: 1 }, 'key'],
      ['half a character', 'Read', '{"key":"\\ud800"}', ''],
      ['a field that nobody knows, where a key is needed', 'Read', { kye: 'a' }, 'the key is empty'],
      ['a table that cannot be', 'Read', { key: 'a', table: '../..' }, 'table "../.."'],
      ['a name of 10,000 characters', 'Read', { key: 'a', table: long }, 'at most 100'],
      ['no record', 'Write', {}, 'no record'],
      ['a record without a key', 'Write', { record: {} }, 'the key is empty'],
      ['a value that is no base64', 'Write', { record: { key: 'a', value: '*' } }, 'value'],
      [
        'too large a value',
        'Write',
        { record: { key: 'a', value: Buffer.alloc(2 * 1024 * 1024 + 1).toString('base64') } },
        'keep it as a blob',
      ],
      ['too much metadata', 'Write', { record: { key: 'a', metadata: { a: long, b: long } } }, '16384 bytes'],
      ['metadata that is no text', 'Write', { record: { key: 'a', metadata: { a: 1 } } }, 'metadata'],
      ['a time below 0', 'Write', { record: { key: 'a', ttlMs: -1 } }, 'ttlMs'],
      ['a time that never comes', 'Write', { record: { key: 'a', ttlMs: '18446744073709551615' } }, 'ttl'],
      ['a version below 0', 'Write', { record: { key: 'a' }, ifVersion: '-1' }, 'ifVersion'],
      ['no changes', 'Transact', {}, 'at least one change'],
      ['a change that is none', 'Transact', { changes: [{}] }, 'no write, no deletion and no check'],
      ['a check of no version', 'Transact', { changes: [{ check: 'a' }] }, 'check of "a" has no version'],
      ['a key that comes twice', 'Transact', { changes: [{ delete: 'a' }, { delete: 'a' }] }, '"a" comes twice'],
      [
        'too many changes',
        'Transact',
        { changes: Array.from({ length: 501 }, (_, n) => ({ delete: `${n}` })) },
        'at most 500',
      ],
      ['a limit that cannot be', 'List', { limit: 10_001 }, 'limit 10001'],
      ['a limit below 0', 'List', { limit: -1 }, 'limit'],
      ['a cursor of its own making', 'List', { cursor: 'x' }, 'cursor "x"'],
      ['a cursor of the other order', 'List', { cursor: 'a.YQ', descending: true }, 'list from the start'],
      ['a cursor and an offset', 'List', { cursor: 'a.YQ', offset: 1 }, 'leave the offset out'],
      ['what is no JSON', 'List', '{"prefix":', ''],
    ])('refuse %s', async (_what, method, body, reason) => {
      const answer = await call(method, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
      expect(answer.body['message']).toContain(reason);
      expect(await store.list({ database: 'curl' })).toEqual({ records: [], cursor: undefined });
    });

    it('refuse more than a message may have, and streams', async () => {
      const tooMuch = { record: { key: 'a', value: 'A'.repeat(8 * 1024 * 1024) } };
      expect(await call('Write', tooMuch)).toMatchObject({ status: 429, body: { code: 'resource_exhausted' } });
      for (const method of ['Watch', 'Snapshot', 'Restore']) {
        const { status, body } = await call(method, {});
        expect([status, body['code']]).toEqual([415, 'unimplemented']);
        expect(body['message']).toContain('gRPC');
      }
    });
  });

  describe.skipIf(!grpcurl)('by grpcurl', () => {
    it('are watched', async () => {
      await call('Write', { record: { key: 'a1', value: btoa('one') } });
      const watch = stream('Watch', { prefix: 'a' });
      const events = () => watch.messages().map((message) => JSON.stringify(message).replace(/"version":"\d+"/, 'v'));
      await expect.poll(watch.said, soon).toContain('synced');
      await call('Write', { record: { key: 'b' } });
      await call('Write', { record: { key: 'a2', value: btoa('two') } });
      await expect.poll(watch.said, soon).toContain(btoa('two'));
      await call('Delete', { key: 'a1' });
      await expect.poll(watch.said, soon).toContain('deleted');
      expect(events()).toEqual([
        `{"written":{"key":"a1","value":"${btoa('one')}",v}}`,
        '{"synced":{}}',
        `{"written":{"key":"a2","value":"${btoa('two')}",v}}`,
        '{"deleted":"a1"}',
      ]);
      watch.kill();
      await watch.ended;
    });

    it('are put into a snapshot and back', async () => {
      for (const table of ['one', 'two']) await call('Write', { record: { key: 'a', value: btoa(table) }, table });
      const taken = stream('Snapshot', {});
      expect(await taken.ended).toBe(0);
      const records = taken.messages();
      expect(records).toEqual([
        { table: 'one', record: { key: 'a', value: btoa('one') } },
        { table: 'two', record: { key: 'a', value: btoa('two') } },
      ]);
      await call('Write', { record: { key: 'later' }, table: 'one' });
      const cut = stream('Restore', [{ records }]);
      expect([(await cut.ended) === 0, cut.said().includes('send all of it again')]).toEqual([false, true]);
      expect((await call('Read', { key: 'later', table: 'one' })).status).toBe(200);
      const restored = stream('Restore', [{ records: [records[0]] }, { records: [records[1]], complete: true }]);
      expect(await restored.ended).toBe(0);
      expect(restored.messages()).toEqual([{ records: '2' }]);
      expect((await call('Read', { key: 'later', table: 'one' })).status).toBe(404);
      expect((await call('Read', { key: 'a', table: 'two' })).body).toMatchObject({ record: { value: btoa('two') } });
    });
  });

  it.each([
    ['a key that is empty', { table: 'one', record: { key: '' } }, 'the key is empty'],
    ['a table that cannot be', { table: '../x', record: { key: 'a' } }, 'table "../x"'],
    ['no record', { table: 'one' }, 'empty'],
    ['a time that no clock shows', { table: 'one', record: { key: 'a', expiresAt: 2n ** 63n - 1n } }, 'no clock'],
  ])('are as before after a snapshot with %s', async (_what, bad, reason) => {
    await store.write({ key: 'before', value: bytes('x') });
    const good = { table: 'one', record: { key: 'good' } };
    const restoring = client.of(storeProto.Store).restore([{ records: [good, bad], complete: true }], {});
    await expect(restoring).rejects.toMatchObject({
      code: 'invalid_argument',
      id: 'store',
      detail: expect.stringContaining(reason) as string,
    });
    expect([await store.tables(), await store.databases()]).toEqual([['micro'], ['micro']]);
  });
});
