/** `node tools/docs/guarantees.mjs`: writes docs/guarantees.md from what adapters declare (capabilities.ts of a block) and the limits in the contracts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import prettier from 'prettier';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = `${root}docs/guarantees.md`;

/** What TypeScript sources of the workspace export. They import nothing that is not theirs. */
async function exportsOf(...files) {
  const contents = files.map((file) => `export * from './${file}';`).join('\n');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'error',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
}

const sharedWith = {
  instance: 'who has opened it, in one process',
  machine: 'every process of the machine',
  network: 'whoever reaches the platform',
};
const survives = [
  ['process', 'the death of its process (kill -9)'],
  ['power', 'a power cut'],
];
const levels = ['nothing', 'process', 'power'];
const readable = (bytes) => (bytes % 1024 ** 2 === 0 ? `${bytes / 1024 ** 2} MiB` : bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes}`);

function block({ title, contract, capabilities, promises, limits = [] }) {
  const adapters = Object.keys(capabilities);
  const row = (promise, of) => `| ${promise} | ${adapters.map((adapter) => of(capabilities[adapter])).join(' | ')} |`;
  const isKept = Object.values(capabilities).some((one) => 'survives' in one);
  return [
    `## ${title}`,
    '',
    `| \`${contract}\` | ${adapters.map((adapter) => `\`${adapter}\``).join(' | ')} |`,
    `|---|${adapters.map(() => '---').join('|')}|`,
    ...(isKept ? survives.map(([level, what]) => row(`kept through ${what}`, (one) => (levels.indexOf(one.survives) >= levels.indexOf(level) ? 'yes' : 'no'))) : []),
    row('seen by', ({ shared }) => sharedWith[shared]),
    ...promises.map((promise) => row(promise, () => 'yes')),
    '',
    ...(limits.length > 0 ? [`Limits, of each adapter: ${limits.map(([what, most]) => `${what} ${most}`).join(', ')}.`, ''] : []),
  ];
}

export async function guarantees() {
  const found = await exportsOf('libs/store/src/capabilities.ts', 'libs/store/src/store.ts');
  const other = await exportsOf('libs/broker/src/capabilities.ts', 'libs/broker/src/broker.ts', 'libs/broker/src/events/events.ts');
  const { storeCapabilities, blobCapabilities, storeLimits } = found;
  const { brokerCapabilities, eventsCapabilities, brokerLimits, eventLimits } = other;
  const text = [
    '# What each adapter promises',
    '',
    '<!-- Written by tools/docs/guarantees.mjs from the capabilities that the adapters declare; `nx test tools` finds out when it is out of date. -->',
    '',
    'A service is the same on every adapter: what a contract says holds on each, and one suite proves it on each. What differs is what an adapter keeps of',
    'what it has acknowledged, and who shares it. Adapters declare that in code (`capabilities.ts`), the suites test what is declared, and this page is made',
    'of it. `remote` is what stands behind the platform’s own service: here as `micro server` runs it, on files.',
    '',
    ...block({
      title: 'Records',
      contract: 'Store',
      capabilities: storeCapabilities,
      promises: ['reads and writes of a table linearizable', 'compare-and-set, transactions in a table', 'watch: the last state of each key, in order', 'snapshot of one moment'],
      limits: [
        ['key', readable(storeLimits.keyBytes)],
        ['value', readable(storeLimits.valueBytes)],
        ['metadata', readable(storeLimits.metadataBytes)],
        ['transaction', `${storeLimits.changes} changes, ${readable(storeLimits.changesBytes)}`],
      ],
    }),
    ...block({
      title: 'Blobs',
      contract: 'Blobs',
      capabilities: blobCapabilities,
      promises: ['a reader never sees half a write', 'SHA-256 checked by every whole read'],
    }),
    ...block({
      title: 'Messages',
      contract: 'Broker',
      capabilities: brokerCapabilities,
      promises: ['at most once; of a queue, to one member', 'in the order of each publisher', 'a slow or dead subscriber holds no other up'],
      limits: [
        ['body', readable(brokerLimits.bodyBytes)],
        ['headers', readable(brokerLimits.headerBytes)],
        ['names', `${brokerLimits.nameLength} characters`],
      ],
    }),
    ...block({
      title: 'Events',
      contract: 'Events',
      capabilities: eventsCapabilities,
      promises: ['at least once to each group', 'one order a stream', 'dead letters, replay', `known again by id for ${eventLimits.duplicateWindow / 60_000} minutes`],
      limits: [
        ['body', readable(eventLimits.bodyBytes)],
        ['headers', readable(eventLimits.headerBytes)],
        ['id', `${eventLimits.idBytes} bytes`],
      ],
    }),
  ].join('\n');
  return prettier.format(text, { ...(await prettier.resolveConfig(page)), filepath: page });
}

/** Whether the page says what the adapters declare. */
export async function isCurrent() {
  return readFileSync(page, 'utf8') === (await guarantees());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, await guarantees());
