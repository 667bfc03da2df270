import {
  brokerCapabilities,
  brokerLimits,
  defaultRetention,
  eventLimits,
  eventsCapabilities,
  patience,
} from '@micro/broker';
import { blobCapabilities, lockCapabilities, lockLimits, storeCapabilities, storeLimits } from '@micro/store';
import { format } from 'prettier';

interface Declared {
  readonly survives?: 'nothing' | 'process' | 'power';
  readonly shared: 'instance' | 'machine' | 'network';
}

const keeps = { nothing: 'nothing', process: 'what was acknowledged', power: 'what was acknowledged' } as const;
const powerCut = { nothing: 'nothing', process: 'not promised', power: 'what was acknowledged' } as const;
const reach = {
  instance: 'one process',
  machine: 'every process of the machine',
  network: 'whoever reaches the server',
} as const;

/** docs/guarantees.md, as the capabilities and limits in the code have it. */
export async function guarantees(): Promise<string> {
  const text = `# Guarantees

What each adapter promises. Made from what the adapters declare, which their contract suites check, by \`npx nx run docs:guarantees\`.

| block | adapter | kept through \`kill -9\` | kept through a power cut | seen by |
|---|---|---|---|---|
${[
  ...rows('[store](store.md)', storeCapabilities),
  ...rows('[blobs](blobs.md)', blobCapabilities),
  ...rows('[locks](locks.md)', lockCapabilities),
  ...rows('[broker](broker.md)', brokerCapabilities),
  ...rows('[events](events.md)', eventsCapabilities),
].join('\n')}

\`remote\` is what the adapter behind the platform's own process is: here as \`micro server\` runs it on a laptop. \`http\` reaches as far as the
registry in which it finds subscribers: with mDNS on loopback, the machine.

What does not differ holds on every adapter:

| block | delivery | order | versions | expiry | watch |
|---|---|---|---|---|---|
| store | – | of keys, by their bytes | each write; compare-and-set, transactions | by the store's clock | by prefix; at least the last state of each key |
| blobs | – | of keys, by their bytes | – | – | – |
| locks | to one at a time | of those who wait, as they came | tokens that only grow | by the clock of whatever keeps them | – |
| broker | at most once; of a queue to one | of one publisher | – | not kept | – |
| events | at least once to each group | of a stream | offsets; ids known for ${number(eventLimits.duplicateWindow / 1_000)} s | by age and size | follow, from any position |

## Limits

| block | of | at most |
|---|---|---|
| store | a key | ${bytes(storeLimits.keyBytes)} |
| store | a value | ${bytes(storeLimits.valueBytes)} |
| store, blobs | metadata | ${bytes(storeLimits.metadataBytes)} |
| store | a transaction | ${number(storeLimits.changes)} changes, ${bytes(storeLimits.changesBytes)} |
| store, blobs, locks | the name of a database or table | ${number(storeLimits.nameLength)} characters |
| locks | a name | ${bytes(lockLimits.nameBytes)} |
| locks | a time to live | ${number(lockLimits.leastTtl)} to ${number(lockLimits.ttl)} ms |
| broker | a body | ${bytes(brokerLimits.bodyBytes)} |
| broker | headers | ${bytes(brokerLimits.headerBytes)} |
| broker | the name of a topic or queue | ${number(brokerLimits.nameLength)} characters |
| broker | a publisher's wait for one subscriber | ${number(patience)} ms |
| events | a body | ${bytes(eventLimits.bodyBytes)} |
| events | headers | ${bytes(eventLimits.headerBytes)} |
| events | an id | ${bytes(eventLimits.idBytes)} |
| events | the name of a stream or group | ${number(eventLimits.nameLength)} characters |
| events | how long they are kept, unless set otherwise | ${number(defaultRetention.age / 3_600_000)} hours, ${bytes(defaultRetention.bytes)} a stream |
`;
  return format(text, { parser: 'markdown', printWidth: 120 });
}

function rows(block: string, adapters: Readonly<Record<string, Declared>>): string[] {
  return Object.entries(adapters).map(
    ([name, { survives = 'nothing', shared }]) =>
      `| ${block} | \`${name}\` | ${keeps[survives]} | ${powerCut[survives]} | ${reach[shared]} |`,
  );
}

function bytes(count: number): string {
  for (const [unit, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const)
    if (count % size === 0) return `${number(count / size)} ${unit}`;
  return `${number(count)} bytes`;
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}
