/**
 * Clients of etcd, NATS and databases. An app's bundle, which every process reads into memory as a whole, goes without them: each is a file of its
 * own beside it, `clients/<name>.cjs`, read only by a process whose adapters need it.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import protobuf from 'protobufjs';

/** Packages that are one file because they share classes. */
const clients = {
  etcd3: ['etcd3'],
  nats: ['@nats-io/transport-node', '@nats-io/jetstream'],
  pg: ['pg'],
  typeorm: ['typeorm'],
};

/** What these packages load only if asked, and nobody here asks for: TypeORM's other databases, and pg's binding to libpq. */
const neverLoaded = [
  '@google-cloud/spanner',
  '@sap/hana-client',
  '@sap/hana-client/extension/Stream',
  'better-sqlite3',
  'expo-sqlite',
  'hdb-pool',
  'ioredis',
  'mongodb',
  'mssql',
  'mysql',
  'mysql2',
  'oracledb',
  'pg',
  'pg-native',
  'pg-query-stream',
  'react-native-sqlite-storage',
  'redis',
  'sql.js',
  'sqlite3',
  'typeorm-aurora-data-api-driver',
];

/** An esbuild plugin: leaves the clients out of the bundle and puts those that it loads beside it. */
export const clientsBeside = {
  name: 'clients-beside',
  setup(main) {
    const asked = new Set();
    main.onStart(() => asked.clear());
    main.onResolve({ filter: /^(etcd3|@nats-io\/|pg$|typeorm$)/ }, ({ path, importer }) => {
      const [name] = Object.entries(clients).find(([, packages]) => packages.includes(path)) ?? [];
      // Nest has a transport over NATS of its own, which is not used here.
      if (!name || importer.includes('node_modules')) return undefined;
      asked.add(name);
      return { path: `./clients/${name}.cjs`, external: true };
    });
    main.onEnd(async ({ errors }) => {
      if (errors.length > 0) return;
      const { outfile, absWorkingDir } = main.initialOptions;
      const text = await readFile(outfile, 'utf8');
      // What only left-out code had asked for is asked for no more.
      const needed = [...asked].filter((name) => text.includes(`clients/${name}.cjs`));
      const place = (name) => join(dirname(outfile), 'clients', `${name}.cjs`);
      await Promise.all(needed.map((name) => build(clientBundle(name, place(name), absWorkingDir))));
    });
  },
};

/** etcd3 reads its .proto files from the folder that it is installed in: what they say becomes part of the bundle. */
const etcdProtos = {
  name: 'etcd-protos',
  setup(client) {
    client.onLoad({ filter: /etcd3[\\/]lib[\\/]connection-pool\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const protos = new protobuf.Root()
        .loadSync(join(dirname(path), '../proto/rpc.proto'), { keepCase: true })
        .toJSON();
      const embedded = source.replace(
        'loadSync)(`${__dirname}/../proto/rpc.proto`,',
        `fromJSON)(${JSON.stringify(protos)},`,
      );
      if (embedded === source)
        throw new Error('etcd3 has changed how it reads its .proto files: see tools/build/clients.mjs');
      return { contents: embedded, loader: 'js' };
    });
  },
};

function clientBundle(name, outfile, workspaceRoot) {
  // CommonJS packages whose exports cannot be told by reading are handed on whole.
  const [only] = clients[name];
  const contents =
    name === 'nats'
      ? clients.nats.map((one) => `export * from '${one}';`).join('\n')
      : `module.exports = require('${only}');`;
  return {
    absWorkingDir: workspaceRoot,
    stdin: { contents, resolveDir: workspaceRoot },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: neverLoaded.filter((one) => one !== name),
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [etcdProtos],
  };
}
