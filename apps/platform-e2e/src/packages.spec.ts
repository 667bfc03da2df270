import { readdirSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { compiledPackages, run, startPlatform, temporaryFolder, workspaceRoot } from '@micro/testing';
import { describe, expect, it } from 'vitest';

let compiled: NodeJS.ProcessEnv = {};

/** npm as users run it, without what the test's own npm put into the environment. */
function npm(cwd: string, ...args: string[]) {
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
    ...compiled,
  };
  return run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env });
}

describe('the packages', () => {
  it('work in an empty folder outside the repository', async () => {
    await using folder = await temporaryFolder();
    compiled = await compiledPackages(folder.path);
    for (const name of ['apps/cli', 'libs/service']) {
      expect(await npm(workspaceRoot, 'pack', `./${name}`, '--pack-destination', folder.path)).toMatchObject({
        code: 0,
      });
    }
    const archives = readdirSync(folder.path).filter((name) => name.endsWith('.tgz'));
    const cli = archives.find((name) => name.includes('cli'));
    const service = archives.find((name) => name.includes('service'));
    expect([cli, service]).not.toContain(undefined);

    await writeFile(`${folder.path}/package.json`, JSON.stringify({ name: 'empty', private: true }));
    expect(await npm(folder.path, 'install', `./${cli}`)).toMatchObject({ code: 0 });
    const bin = `${folder.path}/node_modules/@micro/cli/bin/micro.mjs`;
    await using platform = await startPlatform({ bin });

    // `micro new` asks for @micro/service of the registry that packages come from; here that is the archive.
    const made = await run(process.execPath, [bin, 'new', 'foo-bar'], { cwd: folder.path, env: platform.env });
    expect(made).toMatchObject({ code: 0 });
    expect(
      (await run(process.execPath, [bin, 'new', 'foo-bar'], { cwd: folder.path, env: platform.env })).code,
    ).not.toBe(0);
    const source = `${folder.path}/foo-bar`;
    await mkdir(`${source}/archives`);
    await cp(`${folder.path}/${service}`, `${source}/archives/service.tgz`);
    await cp(`${folder.path}/${cli}`, `${source}/archives/cli.tgz`);
    await npm(source, 'pkg', 'set', 'dependencies.@micro/service=file:archives/service.tgz');
    await npm(source, 'pkg', 'set', 'devDependencies.@micro/cli=file:archives/cli.tgz');
    expect(await npm(source, 'install')).toMatchObject({ code: 0 });
    expect(await npm(source, 'run', 'build')).toMatchObject({ code: 0 });

    const ran = await platform.micro('run', source);
    expect(ran.stderr).not.toMatch(/error/i);
    expect(ran.code).toBe(0);
    const answer = await fetch(`http://${platform.address.api}/foo-bar/call`, {
      method: 'POST',
      body: '{"name":"Alice"}',
    });
    expect(await answer.json()).toEqual({ msg: 'Hello Alice' });
    expect(JSON.parse((await platform.micro('foo-bar', '--name=Bob')).stdout)).toEqual({ msg: 'Hello Bob' });
  }, 240_000);
});
