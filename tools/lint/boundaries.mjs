/**
 * Who may import whom. Layers go downwards only: app → service (the SDK) → platform → block → core. `type:test` is the rig and the
 * end-to-end suites, which may use everything and which nothing may import but specs.
 */
const layers = ['type:core', 'type:block', 'type:platform', 'type:service', 'type:app'];

const rules = (allowed) => [
  ...layers.map((tag, index) => ({
    sourceTag: tag,
    onlyDependOnLibsWithTags: [...layers.slice(0, index + 1), ...allowed],
  })),
  { sourceTag: 'type:test', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'type:example', onlyDependOnLibsWithTags: ['type:service', ...allowed] },
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
];

export const depConstraints = rules([]);

/** A spec may also use the test rig, which imports none of our libraries and so closes no circle. */
export const specDepConstraints = rules(['type:test']);

/**
 * A zero-dependency adapter imports nothing but node: and its own lib; mdns, file and log have the one client they are named for, and http the
 * contract of the registry in which it finds whom to post to. An adapter may be several files: `http.ts`, `http-door.ts`.
 */
const ownLibOnly = (files, allowed) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^(?!node:|\\.{1,2}/|@micro/errors$${allowed.map((name) => `|${name}$`).join('')})`,
            message: 'A zero-dependency adapter imports only node: and its own lib.',
          },
        ],
      },
    ],
  },
});

const filesOf = (...adapters) => [`libs/{broker,registry,store}/src/**/@(${adapters.join('|')})?(-*).ts`];

export const zeroDependencyAdapters = [
  ownLibOnly(filesOf('memory', 'directory'), []),
  ownLibOnly(filesOf('mdns'), ['multicast-dns']),
  ownLibOnly(filesOf('file', 'log'), ['better-sqlite3']),
  ownLibOnly(filesOf('http'), ['@micro/registry']),
].map((rule) => ({ ...rule, ignores: ['**/*.spec.ts', '**/*.rig.ts', '**/*.fixture.ts', '**/*.program.ts'] }));

/** The edge reaches state only through contracts. */
export const edgeWithoutState = {
  files: ['apps/{api,proxy,web}/**/*.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: '^(better-sqlite3|etcd3|pg|typeorm|@nats-io/.*|@nestjs/typeorm)$',
            message: 'The edge reaches state only through contracts.',
          },
        ],
      },
    ],
  },
};
