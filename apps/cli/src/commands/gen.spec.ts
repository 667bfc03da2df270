import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';
import { runMicro } from '../program.fixture.js';

async function inFolder(
  test: (folder: string, micro: (...args: string[]) => ReturnType<typeof runMicro>) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  await test(folder.path, (...args) => runMicro(args, { env: { MICRO_HOME: join(folder.path, 'home') } }));
}

it('makes TypeScript beside each .proto, and leaves alone what is up to date', () =>
  inFolder(async (folder, micro) => {
    mkdirSync(join(folder, 'proto/inner'), { recursive: true });
    mkdirSync(join(folder, 'node_modules/x'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(join(folder, 'node_modules/x/x.proto'), 'syntax = "proto3";');
    writeFileSync(
      join(folder, 'proto/a.proto'),
      'syntax = "proto3"; package a; import "inner/b.proto"; service A { rpc Call(b.Thing) returns (b.Thing); }',
    );
    writeFileSync(
      join(folder, 'proto/inner/b.proto'),
      'syntax = "proto3"; package b; message Thing { string name = 1; }',
    );
    expect((await micro('gen', '--check', folder)).stderr).toMatch(
      /not up to date: .*a\.micro\.ts, .*b\.micro\.ts; run `micro gen`/,
    );
    expect((await micro('gen', folder)).stderr.trim().split('\n')).toHaveLength(2);
    expect(readFileSync(join(folder, 'proto/a.micro.ts'), 'utf8')).toMatch(/from '\.\/inner\/b\.micro\.js'/);
    const { mtimeMs } = statSync(join(folder, 'proto/a.micro.ts'));
    expect(await micro('gen', folder)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(statSync(join(folder, 'proto/a.micro.ts')).mtimeMs).toBe(mtimeMs);
    expect((await micro('gen', '--check', folder)).code).toBe(0);
    expect(JSON.parse((await micro('gen', folder, '-o', 'json')).stdout)).toHaveLength(2);
  }));

it('says where a .proto has a fault', () =>
  inFolder(async (folder, micro) => {
    writeFileSync(join(folder, 'a.proto'), 'syntax = "proto3";\nmessage A {\n  strin name = 1;\n}\n');
    expect(await micro('gen', folder)).toMatchObject({ code: 1, stderr: expect.stringMatching(/a\.proto:3:/) });
    expect((await micro('gen', join(folder, 'none'))).stderr).toMatch(/there is no /);
    mkdirSync(join(folder, 'empty'));
    expect((await micro('gen', join(folder, 'empty'))).stderr).toMatch(/there is no \.proto file in/);
  }));
