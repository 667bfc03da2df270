/** How everything is bundled: SWC first, because Nest needs decorator metadata that esbuild does not emit; then esbuild. */
import { readFile, writeFile } from 'node:fs/promises';
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

/**
 * esbuild keeps the names of functions by defining each one's again wherever it is made: some 300 ns for every closure of a hot path. Nest
 * needs the names of classes, which have a prototype; arrow functions and methods have none. The text keeps its length for the source map.
 */
const classNamesOnly = {
  name: 'class-names-only',
  setup(build) {
    build.onEnd(async ({ errors }) => {
      const { outfile } = build.initialOptions;
      if (errors.length > 0 || !outfile) return;
      const text = await readFile(outfile, 'utf8');
      const helper = 'var __name=(target,value)=>__defProp(target,"name",{value,configurable:!0});';
      if (!text.includes(helper)) throw new Error('esbuild has changed the helper by which it keeps names: see tools/build/bundle.mjs');
      await writeFile(outfile, text.replace(helper, 'var __name=(of,value)=>of.prototype?__defProp(of,"name",{value}):of;'.padEnd(helper.length)));
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
    plugins: [swcPlugin, classNamesOnly],
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
    sourcemap: 'linked',
    logLevel: 'warning',
    tsconfig: join(workspaceRoot, 'tsconfig.base.json'),
    plugins: [swcPlugin],
  };
}
