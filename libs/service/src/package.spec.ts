import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import {
  cleanEnvironment,
  compiledPackages,
  freePort,
  run,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const root = join(workspaceRoot, 'libs/service');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: object;
  engines: object;
};
const workspace = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  engines: object;
};

/** Of servers that a service reaches through the platform unless it is told to speak to them itself. */
const clients = ['@nats-io/jetstream', '@nats-io/transport-node', 'etcd3', 'pg', 'typeorm'];

let compiled: NodeJS.ProcessEnv = {};

/** npm as users run it, without what the test's own npm put into the environment. */
async function npm(cwd: string, ...args: string[]): Promise<void> {
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
    ...compiled,
  };
  const { code, stderr } = await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env });
  if (code !== 0) throw new Error(`npm ${args[0]}: ${stderr}`);
}

/** As `nx build` made it, which `nx test` runs first. */
describe('the package', () => {
  it('asks for the versions that the workspace is tested with, and for all that it imports', async () => {
    expect(manifest.engines).toEqual(workspace.engines);
    const imported = await packagesOf(['index.js', 'nest.js', 'adapter.js'], 'ever');
    // With a native part, which not every machine can build.
    const { dependencies, optionalDependencies } = manifest;
    expect(Object.keys(optionalDependencies)).toEqual(['better-sqlite3']);
    const needed = imported.filter((name) => !clients.includes(name));
    expect({ ...dependencies, ...optionalDependencies }).toEqual(
      Object.fromEntries(needed.map((name) => [name, `^${workspace.dependencies[name]}`])),
    );
  });

  it('asks for what suites and shared servers need only of those who use them', async () => {
    const suites = await packagesOf(['contract.js'], 'ever');
    expect(suites).toEqual(['fast-check', 'vitest']);
    expect(await packagesOf(['index.js'], 'ever')).toEqual(expect.arrayContaining(clients));
    const versions = { ...workspace.dependencies, ...workspace.devDependencies };
    const peers = [...clients, ...suites];
    expect(manifest.peerDependencies).toEqual(Object.fromEntries(peers.map((name) => [name, `^${versions[name]}`])));
    expect(manifest.peerDependenciesMeta).toEqual(Object.fromEntries(peers.map((name) => [name, { optional: true }])));
  });

  it('loads no Nest for plain handlers, nor gRPC, metrics and mDNS before they are needed', async () => {
    expect(await packagesOf(['index.js'], 'at once')).toEqual(['pino']);
    expect(await packagesOf(['adapter.js'], 'at once')).toEqual(['pino']);
    expect(await packagesOf(['nest.js'], 'at once')).toContain('@nestjs/core');
  });

  it('works in an empty folder: strict types, plain Node', async () => {
    await using folder = await temporaryFolder();
    compiled = await compiledPackages(folder.path);
    await npm(root, 'pack', '--pack-destination', folder.path);
    await mkdir(join(folder.path, 'src'));
    const write = (path: string, text: string) => writeFile(join(folder.path, path), text);
    await write('package.json', JSON.stringify({ name: 'empty', type: 'module', private: true }));
    const { devDependencies } = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    await npm(
      folder.path,
      'install',
      './micro-service-0.1.0.tgz',
      `typescript@${devDependencies['typescript']}`,
      `@types/node@${devDependencies['@types/node']}`,
    );
    await write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          strict: true,
          skipLibCheck: false,
          target: 'ES2022',
          lib: ['ES2023', 'ESNext.Disposable'],
          module: 'NodeNext',
          types: ['node'],
          experimentalDecorators: true,
          emitDecoratorMetadata: true,
          outDir: 'dist',
        },
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
    await write(
      'src/kept.ts',
      `import { close, table } from '@micro/service';
       const counts = table<{ runs: number }>('counts');
       const { runs } = await counts.update('main', (before) => ({ runs: (before?.runs ?? 0) + 1 }));
       console.log(\`run \${runs satisfies number}\`);
       await close();`,
    );
    const types = await run(
      process.execPath,
      [join(folder.path, 'node_modules/typescript/bin/tsc'), '-p', folder.path],
      {},
    );
    expect(types).toMatchObject({ code: 0, stdout: '' });

    const env = { MICRO_HOME: join(folder.path, 'home'), MICRO_MDNS_PORT: String(await freePort()) };
    for (const [name, greeting] of [
      ['plain', 'Hello Alice'],
      ['nested', 'Hello Bob'],
    ] as const) {
      await using program = startProgram(join(folder.path, `dist/${name}.js`), env);
      await until(greeting, () => program.output().includes(greeting));
      await program.stop();
      expect((await program.exited).code).toBe(0);
    }
    const kept = () =>
      run(process.execPath, [join(folder.path, 'dist/kept.js')], { env: { ...cleanEnvironment(), ...env } });
    expect(await kept()).toMatchObject({ code: 0, stdout: 'run 1\n' });
    expect(await kept()).toMatchObject({ code: 0, stdout: 'run 2\n' });
    await rm(join(folder.path, 'node_modules/better-sqlite3'), { recursive: true });
    const missing = await kept();
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(
      'files need the package better-sqlite3, which is not installed: npm install better-sqlite3',
    );
    for (const [variable, adapter, packages] of [
      ['MICRO_STORE', 'cockroach', 'pg typeorm'],
      ['MICRO_REGISTRY', 'etcd', 'etcd3'],
    ] as const) {
      const program = join(folder.path, variable === 'MICRO_STORE' ? 'dist/kept.js' : 'dist/plain.js');
      const alone = await run(process.execPath, [program], {
        env: { ...cleanEnvironment(), ...env, [variable]: adapter },
      });
      expect(alone.code).toBe(1);
      expect(alone.stderr).toContain(`npm install ${packages}; or set MICRO_PROFILE=service`);
    }
    expect(existsSync(join(folder.path, 'node_modules/@micro/proto'))).toBe(false);
    expect(createRequire(join(folder.path, 'x.js')).resolve('@micro/service')).toContain('dist/index.js');
  }, 240_000);
});

/** Packages that entries ask for: at once, or also what it imports only when it needs it. */
async function packagesOf(entries: readonly string[], when: 'at once' | 'ever'): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: join(root, 'dist'),
    entryPoints: [...entries],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: 'unused',
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { path, kind, external } of metafile.inputs[file]?.imports ?? []) {
      if (kind === 'dynamic-import' && when === 'at once') continue;
      if (!external) visit(path);
      else if (!isBuiltin(path))
        packages.add(
          path
            .split('/')
            .slice(0, path.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    }
  };
  entries.forEach(visit);
  return [...packages].sort();
}
