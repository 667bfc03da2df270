/** How everything is bundled: SWC first, because Nest needs decorator metadata that esbuild does not emit; then esbuild. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

export const workspaceRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Transports and validators that Nest loads only when asked; none is installed, so they must stay out of the bundle. */
const optionalPackages = [
  '@grpc/proto-loader',
  '@nats-io/transport-node',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  'amqp-connection-manager',
  'amqplib',
  'cache-manager',
  'class-transformer',
  'class-transformer/*',
  'class-validator',
  'file-type',
  'ioredis',
  'kafkajs',
  'mqtt',
];

/** Packages with a native part: they stay outside the bundle and are dependencies of the published CLI. */
const nativePackages = ['@swc/core', 'esbuild', 'better-sqlite3'];

/** SWC options shared with tests (vitest.config.ts) and with `micro run`. */
export const swcOptions = {
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true, dynamicImport: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
  swcrc: false,
  configFile: false,
};

const swcPlugin = {
  name: 'swc',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { ...swcOptions, filename: path });
      return { contents: code, loader: 'js' };
    });
  },
};

/** esbuild options for an app: one CommonJS file, because Node 20 can only start a script, not a module, from a V8 code cache. */
export function appBundle(projectRoot, outfile) {
  return {
    absWorkingDir: workspaceRoot,
    entryPoints: [join(projectRoot, 'src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // A script that comes from a code cache has lost what `import()` needs: what is loaded late is required late.
    supported: { 'dynamic-import': false },
    mainFields: ['module', 'main'],
    conditions: ['import', 'module'],
    external: [...optionalPackages, ...nativePackages],
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'warning',
    define: { 'import.meta.url': '__moduleUrl', 'process.env.NODE_ENV': '"production"' },
    banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
    plugins: [swcPlugin],
  };
}

/** esbuild options for a library: its entry with everything from other packages left outside. */
export function libraryBundle(projectRoot, entryPoints, outdir) {
  return {
    absWorkingDir: workspaceRoot,
    entryPoints,
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    splitting: true,
    keepNames: true,
    sourcemap: 'linked',
    logLevel: 'warning',
    tsconfig: join(workspaceRoot, 'tsconfig.base.json'),
    plugins: [swcPlugin],
  };
}
