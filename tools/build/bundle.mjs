/** How everything is bundled: SWC first, because Nest needs decorator metadata that esbuild does not emit; then esbuild. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';
import { clientsBeside } from './clients.mjs';

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
      if (!text.includes(helper))
        throw new Error('esbuild has changed the helper by which it keeps names: see tools/build/bundle.mjs');
      await writeFile(
        outfile,
        text.replace(
          helper,
          'var __name=(of,value)=>of.prototype?__defProp(of,"name",{value}):of;'.padEnd(helper.length),
        ),
      );
    });
  },
};

/**
 * RxJS offers Node its CommonJS files. Bundled, each of the forty files of Nest that import it gets an object of some 160 getters of its own, and
 * all of it runs: as modules, what nobody uses is left out, which is 2.5 MB of heap a process.
 */
const rxjsAsModules = {
  name: 'rxjs-as-modules',
  setup(build) {
    build.onResolve({ filter: /^rxjs(\/operators)?$/ }, async ({ path, resolveDir, kind, pluginData }) => {
      if (kind === 'require-call' || pluginData === rxjsAsModules) return undefined;
      const found = await build.resolve(path, { resolveDir, kind, pluginData: rxjsAsModules });
      return { ...found, path: found.path.replace(join('dist', 'cjs'), join('dist', 'esm')) };
    });
  },
};

/**
 * libs/platform opens store and broker for whoever wants them. An app that imports neither does not, and its bundle, which every process reads into
 * memory as a whole, goes without their adapters.
 */
function withoutUnusedBlocks(projectRoot) {
  const source = join(workspaceRoot, projectRoot, 'src');
  const files = readdirSync(source, { recursive: true }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'),
  );
  const text = files.map((name) => readFileSync(join(source, name), 'utf8')).join('\n');
  return {
    name: 'without-unused-blocks',
    setup(build) {
      build.onLoad({ filter: /[\\/]libs[\\/]platform[\\/]src[\\/]open-(store|broker)\.ts$/ }, async ({ path }) => {
        const [, block] = /open-(\w+)\.ts$/.exec(path);
        if (new RegExp(`from '@micro/${block}'`).test(text)) return undefined;
        const opened = (await readFile(path, 'utf8')).matchAll(/^export async function (\w+)/gm);
        const refusal = `this program was built without the ${block}: import @micro/${block} in ${projectRoot}/src`;
        const stubs = [...opened].map(
          ([, name]) =>
            `export async function ${name}() { throw new MicroError('unimplemented', ${JSON.stringify(refusal)}); }`,
        );
        return {
          contents: [`import { MicroError } from '@micro/errors';`, ...stubs].join('\n'),
          loader: 'js',
          resolveDir: dirname(path),
        };
      });
    },
  };
}

/** Writes the launcher beside the bundle, and into it the hash of the bundle's text. Last, when that text is done. */
const launcher = {
  name: 'launcher',
  setup(build) {
    build.onEnd(async ({ errors }) => {
      const { outfile } = build.initialOptions;
      if (errors.length > 0 || !outfile) return;
      const hash = createHash('sha1')
        .update(await readFile(outfile))
        .digest('hex')
        .slice(0, 16);
      const text = await readFile(new URL('./launcher.cjs', import.meta.url), 'utf8');
      await writeFile(join(dirname(outfile), 'main.cjs'), text.replace('@bundleHash@', hash));
    });
  },
};

const programStart = 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;';

/** esbuild options for a program: one CommonJS file, because Node 20 can only start a script, not a module, from a V8 code cache. */
export function programBundle(entry, outfile) {
  return {
    absWorkingDir: workspaceRoot,
    entryPoints: [entry],
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
    banner: { js: programStart },
    plugins: [swcPlugin, rxjsAsModules, clientsBeside, classNamesOnly],
  };
}

/** For an app: a program that is a function, and the launcher that calls it. */
export function appBundle(projectRoot, outfile) {
  const program = programBundle(join(projectRoot, 'src/main.ts'), outfile);
  return {
    ...program,
    // Wrapped here and not where it is started: text put together there is held in memory twice.
    banner: { js: `(function (exports, require, module, __filename, __dirname) {${programStart}` },
    footer: { js: '})' },
    plugins: [withoutUnusedBlocks(projectRoot), ...program.plugins, launcher],
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
