/**
 * Who may import whom. Layers go downwards only: app → service (the SDK) → platform → block → core. `type:test` is the rig and the
 * end-to-end suites, which may use everything and which nothing may import but specs.
 */
const layers = ['type:core', 'type:block', 'type:platform', 'type:service', 'type:app'];

const rules = (allowed) => [
  ...layers.map((tag, index) => ({ sourceTag: tag, onlyDependOnLibsWithTags: [...layers.slice(0, index + 1), ...allowed] })),
  { sourceTag: 'type:test', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'type:example', onlyDependOnLibsWithTags: ['type:service', ...allowed] },
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
];

export const depConstraints = rules([]);

/** A spec may also use the test rig, which imports none of our libraries and so closes no circle. */
export const specDepConstraints = rules(['type:test']);

/** A zero-dependency adapter imports nothing but node: and its own lib; mdns and file have the one client they are named for. */
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

export const zeroDependencyAdapters = [
  ownLibOnly(['libs/*/src/memory.ts', 'libs/*/src/http.ts'], []),
  ownLibOnly(['libs/*/src/mdns.ts'], ['multicast-dns']),
  ownLibOnly(['libs/*/src/file.ts'], ['better-sqlite3', 'typeorm']),
];

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
