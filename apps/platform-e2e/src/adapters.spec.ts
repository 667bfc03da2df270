import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compiledPackages, run, temporaryFolder, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Adapters of somebody else, and specs that run the suites on them as they are, and with one thing wrong. */
const source = new URL('own-adapters/', import.meta.url);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let results: ReadonlyMap<string, Result>;

/** An empty folder, in which what docs/adapters.md says has been done, with the packed package for the published one. */
beforeAll(async () => {
  folder = await temporaryFolder();
  const compiled = await compiledPackages(folder.path);
  const { devDependencies } = JSON.parse(await readFile(join(workspaceRoot, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const tools = ['vitest', 'fast-check', 'typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`);
  await write('package.json', '{"name":"own","type":"module","private":true}');
  await succeeds('npm', ['pack', join(workspaceRoot, 'libs/service')], compiled);
  await succeeds('npm', ['install', './micro-service-0.1.0.tgz', ...tools, '--no-audit', '--no-fund'], compiled);

  await mkdir(join(folder.path, 'src'));
  for (const name of await readdir(source))
    await cp(new URL(name, source), join(folder.path, 'src', name.replace('.suite.', '.spec.')));
  const page = await readFile(join(workspaceRoot, 'docs/adapters.md'), 'utf8');
  const [, spec = ''] = /^```ts\n([^`]*'@micro\/service\/contract'.*?)^```$/ms.exec(page) ?? [];
  await write('src/page.spec.ts', spec);
  results = await runSuites();
}, 600_000);
afterAll(() => folder[Symbol.asyncDispose]());

describe('an adapter of somebody else', () => {
  it('has the types that it should', { timeout: 120_000 }, async () => {
    const strict = {
      strict: true,
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
      noEmit: true,
    };
    await write(
      'tsconfig.json',
      JSON.stringify({ compilerOptions: { ...strict, types: ['node'], skipLibCheck: true } }),
    );
    await succeeds(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
  });

  it('passes the suites', () => {
    const own = [...results].filter(([suite]) => suite.startsWith('own '));
    expect(own.map(([suite]) => suite).sort()).toEqual([
      'own blobs',
      'own broker',
      'own events',
      'own locks',
      'own registry',
      'own store',
    ]);
    for (const [suite, { passed, failed }] of own) {
      expect({ suite, failed }).toEqual({ suite, failed: [] });
      expect(passed).toBeGreaterThan(10);
    }
  });

  it('does not pass them where it is wrong', () => {
    const wrong = [...results].filter(([suite]) => !suite.startsWith('own '));
    expect(wrong).toHaveLength(13);
    for (const [suite, { passed, failed }] of wrong)
      expect({ suite, failed: failed.length > 0, passed: passed > 0 }).toEqual({ suite, failed: true, passed: true });
  });
});

interface Result {
  passed: number;
  /** Names of the tests. */
  readonly failed: string[];
}

/** What the tests come to, by suite. Those that are wrong wait long for what does not come: all at once. */
async function runSuites(): Promise<ReadonlyMap<string, Result>> {
  const { stdout, stderr } = await within('npx', ['vitest', 'run', '--reporter=json', '--maxWorkers=4'], {});
  const line = stdout.split('\n').find((one) => one.startsWith('{"'));
  if (!line) throw new Error(`${stdout}\n${stderr}`);
  const { testResults } = JSON.parse(line) as {
    testResults: { message: string; assertionResults: { ancestorTitles: string[]; title: string; status: string }[] }[];
  };
  const suites = new Map<string, Result>();
  for (const { message, assertionResults } of testResults) {
    if (assertionResults.length === 0) throw new Error(message);
    for (const { ancestorTitles, title, status } of assertionResults) {
      const suite = suites.get(String(ancestorTitles[0])) ?? { passed: 0, failed: [] };
      suites.set(String(ancestorTitles[0]), suite);
      if (status === 'passed') suite.passed++;
      else suite.failed.push([...ancestorTitles, title].join(' › '));
    }
  }
  return suites;
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(join(folder.path, path), text);
}

async function succeeds(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const { code, stdout, stderr } = await within(command, args, env);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
}

/** Run in the folder, without what the test's own npm and vitest have put into the environment. */
function within(command: string, args: readonly string[], more: NodeJS.ProcessEnv) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|TEST$|NODE_ENV$)/.test(name)),
  );
  return run(command, args, { cwd: folder.path, env: { ...env, ...more } });
}
