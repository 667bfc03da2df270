import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type BuildOptions } from 'esbuild';
import { temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';

it('bundles an app with the blocks that it uses, and without those that it does not', async () => {
  await using folder = await temporaryFolder();
  const { appBundle } = (await import(new URL('./bundle.mjs', import.meta.url).href)) as {
    appBundle(projectRoot: string, outfile: string): BuildOptions;
  };
  const text = async (app: string) => {
    const file = join(folder.path, app, 'app.cjs');
    await build(appBundle(`apps/${app}`, file));
    return readFileSync(file, 'utf8');
  };
  const [registry, broker] = await Promise.all([text('registry'), text('broker')]);
  expect(registry).toContain('this program was built without the store: import @micro/store in apps/registry/src');
  expect(registry).not.toContain('HttpBroker');
  expect(broker).toContain('HttpBroker');
  expect(broker).toContain('this program was built without the store');
});
