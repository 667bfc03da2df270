import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { freePort, run, startProgram, temporaryFolder, workspaceRoot } from '@micro/testing';
import { beforeAll, describe, expect, it } from 'vitest';

const root = join(workspaceRoot, 'libs/service');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string>; engines: object };
const workspace = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as { dependencies: Record<string, string>; engines: object };

/** npm as users run it, without what the test's own npm put into the environment. */
async function npm(cwd: string, ...args: string[]): Promise<void> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  const { code, stderr } = await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env });
  if (code !== 0) throw new Error(`npm ${args[0]}: ${stderr}`);
}

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'build.mjs')], { stdio: 'inherit' });
}, 120_000);

describe('the package', () => {
  it('asks for the versions that the workspace is tested with, and for all that it imports', () => {
    expect(manifest.engines).toEqual(workspace.engines);
    for (const [name, range] of Object.entries(manifest.dependencies)) expect([name, range]).toEqual([name, `^${workspace.dependencies[name]}`]);
    const sources = ['index.js', 'nest.js'].map((file) => readFileSync(join(root, 'dist', file), 'utf8')).join('\n');
    expect(sources).not.toMatch(/from "@micro\//);
  });

  it('loads no Nest for plain handlers, nor gRPC, metrics and mDNS before they are needed', () => {
    expect([...packagesLoadedBy('index.js')].sort()).toEqual(['pino', 'protobufjs', 'undici']);
    expect(packagesLoadedBy('nest.js')).toContain('@nestjs/core');
  });

  it('works in an empty folder: strict types, plain Node', async () => {
    await using folder = await temporaryFolder();
    await npm(root, 'pack', '--pack-destination', folder.path);
    await mkdir(join(folder.path, 'src'));
    const write = (path: string, text: string) => writeFile(join(folder.path, path), text);
    await write('package.json', JSON.stringify({ name: 'empty', type: 'module', private: true }));
    const { devDependencies } = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
    await npm(folder.path, 'install', './micro-service-0.1.0.tgz', `typescript@${devDependencies['typescript']}`, `@types/node@${devDependencies['@types/node']}`);
    await write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: { strict: true, skipLibCheck: false, target: 'ES2022', lib: ['ES2023', 'ESNext.Disposable'], module: 'NodeNext', types: ['node'], experimentalDecorators: true, emitDecoratorMetadata: true, outDir: 'dist' },
        include: ['src'],
      }),
    );
    const proto = readFileSync(join(workspaceRoot, 'examples/helloworld/proto/helloworld.micro.ts'), 'utf8');
    await write('src/helloworld.micro.ts', proto);
    await write(
      'src/plain.ts',
      `import { client, serve } from '@micro/service';
       import { Helloworld } from './helloworld.micro.js';
       await serve(Helloworld, {
         call: ({ name }) => ({ msg: \`Hello \${name satisfies string}\` }),
         async *stream({ count }) { for (let n = 1; n <= count; n++) yield { count: n }; },
       });
       const { msg } = await client(Helloworld).call({ name: 'Alice' });
       console.log(msg satisfies string);`,
    );
    await write(
      'src/nested.ts',
      `import { client, Logger } from '@micro/service';
       import { Controller, GrpcMethod, Module, serveNest } from '@micro/service/nest';
       import { type CallRequest, type CallResponse, Helloworld } from './helloworld.micro.js';
       @Controller()
       class HelloworldController {
         constructor(private readonly logger: Logger) {}
         @GrpcMethod('Helloworld')
         call({ name }: CallRequest): CallResponse { this.logger.info('called'); return { msg: \`Hello \${name}\` }; }
       }
       @Module({ controllers: [HelloworldController] })
       class HelloworldModule {}
       await serveNest(Helloworld, HelloworldModule);
       console.log((await client(Helloworld).call({ name: 'Bob' })).msg);`,
    );
    const compiled = await run(process.execPath, [join(folder.path, 'node_modules/typescript/bin/tsc'), '-p', folder.path], {});
    expect(compiled).toMatchObject({ code: 0, stdout: '' });

    const env = { MICRO_HOME: join(folder.path, 'home'), MICRO_MDNS_PORT: String(await freePort()) };
    for (const [name, greeting] of [['plain', 'Hello Alice'], ['nested', 'Hello Bob']] as const) {
      await using program = startProgram(join(folder.path, `dist/${name}.js`), env);
      await program.ready();
      await program.stop();
      expect(program.output()).toContain(greeting);
      expect((await program.exited).code).toBe(0);
    }
    expect(existsSync(join(folder.path, 'node_modules/@micro/proto'))).toBe(false);
    expect(createRequire(join(folder.path, 'x.js')).resolve('@micro/service')).toContain('dist/index.js');
  }, 240_000);
});

/** Names of the packages that importing a file of the package loads at once. */
function packagesLoadedBy(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  const path = join(root, 'dist', file);
  if (seen.has(path)) return packages;
  seen.add(path);
  for (const [, from] of readFileSync(path, 'utf8').matchAll(/^(?:import|export)\b[^'"]*?["']([^'"]+)["'];$/gm)) {
    const name = from as string;
    if (name.startsWith('.')) for (const one of packagesLoadedBy(relative(join(root, 'dist'), join(dirname(path), name)), seen)) packages.add(one);
    else if (!isBuiltin(name)) packages.add(name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/'));
  }
  return packages;
}
