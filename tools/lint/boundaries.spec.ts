import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const workspaceRoot = new URL('../..', import.meta.url).pathname;

/** Errors of lint for a file that is not there, as if it stood at `path`. */
async function lint(path: string, text: string): Promise<string[]> {
  const eslint = new ESLint({ cwd: workspaceRoot });
  const [result] = await eslint.lintText(text, { filePath: `${workspaceRoot}${path}` });
  return (result?.messages ?? [])
    .filter(({ severity }) => severity === 2)
    .map(({ ruleId, message }) => `${ruleId}: ${message}`);
}

describe('module boundaries', () => {
  it.each([
    ['core', 'libs/errors/src/illegal.ts', '@micro/registry'],
    ['core', 'libs/rpc/src/illegal.ts', '@micro/platform'],
    ['a block', 'libs/registry/src/illegal.ts', '@micro/service'],
    ['an app', 'apps/api/src/illegal.ts', '@micro/testing'],
    ['an example', 'examples/helloworld/src/illegal.ts', '@micro/rpc'],
  ])('stop %s from importing upwards (%s → %s)', async (_layer, file, imported) => {
    expect(await lint(file, `import * as other from '${imported}';\nexport const used = other;\n`)).toEqual([
      expect.stringContaining('@nx/enforce-module-boundaries'),
    ]);
  });

  it.each([
    ['libs/registry/src/legal.ts', '@micro/rpc'],
    ['apps/api/src/legal.ts', '@micro/platform'],
    ['libs/registry/src/legal.spec.ts', '@micro/testing'],
  ])('let %s import %s', async (file, imported) => {
    expect(await lint(file, `import * as other from '${imported}';\nexport const used = other;\n`)).toEqual([]);
  });

  it('keep databases away from the edge', async () => {
    expect(await lint('apps/proxy/src/illegal.ts', `import pg from 'pg';\nexport const used = pg;\n`)).toEqual([
      expect.stringContaining('no-restricted-imports'),
    ]);
  });

  it('keep zero-dependency adapters free of dependencies', async () => {
    const broken = await lint('libs/registry/src/mdns.ts', `import { pino } from 'pino';\nexport const used = pino;\n`);
    expect(broken).toEqual([expect.stringContaining('no-restricted-imports')]);
    expect(
      await lint('libs/registry/src/mdns.ts', `import mdns from 'multicast-dns';\nexport const used = mdns;\n`),
    ).toEqual([]);
  });

  it.each([
    ['libs/broker/src/memory.ts', '@micro/rpc', '@micro/errors'],
    ['libs/broker/src/http.ts', '@micro/rpc', '@micro/registry'],
    ['libs/broker/src/http-door.ts', 'undici', 'node:http'],
    ['libs/broker/src/events/log-groups.ts', '@micro/proto', 'better-sqlite3'],
    ['libs/store/src/file.ts', 'typeorm', 'better-sqlite3'],
    ['libs/store/src/blob/directory.ts', 'better-sqlite3', 'node:fs/promises'],
  ])('hold for all files of an adapter: %s, which may not import %s but %s', async (file, forbidden, allowed) => {
    const importing = (name: string) => lint(file, `import * as used from '${name}';\nexport const user = used;\n`);
    expect(await importing(forbidden)).toEqual([expect.stringContaining('no-restricted-imports')]);
    expect(await importing(allowed)).toEqual([]);
  });

  it('keep the environment in one file', async () => {
    expect(await lint('libs/rpc/src/illegal.ts', `export const home = process.env['HOME'];\n`)).toEqual([
      expect.stringContaining('no-restricted-properties'),
    ]);
  });
});
