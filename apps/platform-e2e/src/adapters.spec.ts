import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, temporaryFolder, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** An adapter as somebody else would write one, in a repository of his own; `write` and so on may be replaced by something wrong. */
const adapter = (wrong: string) => `
import { type Change, type Condition, type ListOptions, type NewRecord, openStore, type SnapshotRecord, Store, type TableOptions, type WatchOptions } from '@micro/store';

export class OwnStore extends Store {
  readonly #kept = openStore({ adapter: 'memory' });
  override async read(key: string, options?: TableOptions) { return (await this.#kept).read(key, options); }
  override async write(record: NewRecord, options?: TableOptions & Condition) { return (await this.#kept).write(record, options); }
  override async delete(key: string, options?: TableOptions & Condition) { return (await this.#kept).delete(key, options); }
  override async transact(changes: readonly Change[], options?: TableOptions) { return (await this.#kept).transact(changes, options); }
  override async list(options?: ListOptions) { return (await this.#kept).list(options); }
  override async databases() { return (await this.#kept).databases(); }
  override async tables(database?: string) { return (await this.#kept).tables(database); }
  override async *watch(options?: WatchOptions) { yield* (await this.#kept).watch(options); }
  override async *snapshot(database?: string) { yield* (await this.#kept).snapshot(database); }
  override async restore(records: AsyncIterable<SnapshotRecord>, database?: string) { return (await this.#kept).restore(records, database); }
  override async close() { await (await this.#kept).close(); }
  ${wrong}
}`;
const spec = `
import { storeContract } from '@micro/store/contract';
import { OwnStore } from './own.js';

storeContract('own', { capabilities: { survives: 'nothing', shared: 'instance' }, open: async () => new OwnStore() });
`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  // As docs/adapters.md says, with this checkout for `../micro`.
  const page = await readFile(join(workspaceRoot, 'docs/adapters.md'), 'utf8');
  const [, config = ''] = /^\`\`\`ts\n(import { defineConfig.*?)^\`\`\`$/ms.exec(page) ?? [];
  expect(config).toContain("'../micro'");
  await writeFile(join(folder.path, 'vitest.config.ts'), config.replace("'../micro'", JSON.stringify(workspaceRoot)));
  await writeFile(join(folder.path, 'package.json'), '{"type":"module"}');
  await mkdir(join(folder.path, 'node_modules'));
  await symlink(join(workspaceRoot, 'node_modules/vitest'), join(folder.path, 'node_modules/vitest'));
  await mkdir(join(folder.path, 'src'));
  await writeFile(join(folder.path, 'src/own.spec.ts'), spec);
});
afterAll(() => folder[Symbol.asyncDispose]());

async function suite(wrong: string): Promise<{ readonly failed: number; readonly passed: number }> {
  await writeFile(join(folder.path, 'src/own.ts'), adapter(wrong));
  const vitest = join(workspaceRoot, 'node_modules/vitest/vitest.mjs');
  const { stdout, stderr } = await run(process.execPath, [vitest, 'run', '--reporter=json'], {
    cwd: folder.path,
    env: process.env,
  });
  const line = stdout.split('\n').find((one) => one.startsWith('{"'));
  if (!line) throw new Error(`${stdout}\n${stderr}`);
  const { numFailedTests, numPassedTests } = JSON.parse(line) as { numFailedTests: number; numPassedTests: number };
  return { failed: numFailedTests, passed: numPassedTests };
}

it(
  'an adapter of somebody else’s passes the suite from the checkout, as the page says',
  { timeout: 120_000 },
  async () => {
    const { failed, passed } = await suite('');
    expect(failed).toBe(0);
    expect(passed).toBeGreaterThan(30);
  },
);

it.each([
  [
    'ignores conditions',
    'override async write(record: NewRecord, { ifVersion: _, ...options }: TableOptions & Condition = {}) { return (await this.#kept).write(record, options); }',
  ],
  ['deletes nothing', 'override async delete() { await this.#kept; }'],
  [
    'makes half of a transaction',
    'override async transact(changes: readonly Change[], options?: TableOptions) { const [first] = changes; return (await this.#kept).transact(first ? [first] : [], options); }',
  ],
  [
    'lists without regard to prefixes',
    'override async list({ prefix: _, ...options }: ListOptions = {}) { return (await this.#kept).list(options); }',
  ],
  [
    'loses metadata',
    'override async read(key: string, options?: TableOptions) { const found = await (await this.#kept).read(key, options); return { ...found, metadata: {} }; }',
  ],
])('one that %s does not', { timeout: 240_000 }, async (_, wrong) => {
  const { failed, passed } = await suite(wrong);
  expect(failed).toBeGreaterThan(0);
  expect(passed).toBeGreaterThan(0);
});
