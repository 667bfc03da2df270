import type { Command } from 'commander';
import type { JsonValue } from '@micro/proto';
import type { ListOptions, Store, StoreRecord, TableOptions } from '@micro/store';
import type { Cli } from '../cli.js';
import { durationMs } from '../dynamic/time-text.js';
import { Failure } from '../failure.js';
import { contentData, contentText, plainText, sizeText, timeOf } from '../output/content.js';
import { withStore } from '../remote/blocks.js';
import { collect, pairs } from '../remote/call-options.js';
import { content, givenBytes } from '../remote/input.js';
import { untilInterrupted } from '../remote/interrupt.js';
import { count } from '../remote/run-options.js';
import { save, transferring, write } from '../remote/transfer.js';

interface Place {
  readonly database?: string;
  readonly table?: string;
}

interface Selection extends Place {
  readonly prefix?: string;
  readonly suffix?: string;
  readonly limit?: string;
  readonly offset?: string;
  readonly order?: string;
}

interface RecordData {
  readonly [name: string]: JsonValue;
  readonly key: string;
}

export function define(command: Command, cli: Cli): void {
  command.description('Reads and changes records: what services keep, and what you keep beside them.');
  inTable(command.command('read'))
    .description('print the value of a record, or of all whose keys begin, or end, with a text')
    .argument('<key>', 'its key; with --prefix or --suffix the beginning or the end of several')
    .option('--prefix', 'of all records whose keys begin so')
    .option('--suffix', 'of all records whose keys end so')
    .action(async (key: string, options: Place & { prefix?: boolean; suffix?: boolean }) => {
      const { prefix, suffix } = options;
      if (!prefix && !suffix)
        return withStore(cli, async (store) => shown(cli, await store.read(key, place(cli, options))));
      if (prefix && suffix) throw new Failure('read takes --prefix or --suffix; both together: micro store list');
      const chosen = { ...place(cli, options), ...(prefix ? { prefix: key } : { suffix: key }) };
      return withStore(cli, async (store) => {
        let found = 0;
        for await (const record of records(store, chosen)) {
          await cli.out.streamed(recordData(record));
          found++;
        }
        if (found === 0) cli.out.note(`no records like that in ${placeText(cli, options)}: see micro store tables`);
      });
    });
  inTable(command.command('list'))
    .description('list records by key')
    .option('--prefix <TEXT>', 'only keys that begin so')
    .option('--suffix <TEXT>', 'only keys that end so')
    .option('--limit <NUMBER>', 'at most so many (default 100)')
    .option('--offset <NUMBER>', 'leave so many out first')
    .option('--order <asc|desc>', 'by key, ascending (default) or descending')
    .action((options: Selection) => withStore(cli, (store) => list(cli, store, options)));
  inTable(command.command('write'))
    .description('write a record, in place of what is there')
    .argument('<key>', 'its key')
    .argument('[value]', 'text, @file, or - for standard input')
    .option('--expiry <DURATION>', 'how long it is kept, like 10m (default for ever)')
    .option('--metadata <KEY=VALUE>', 'kept with it; repeat for more', collect)
    .option('--if-version <NUMBER>', 'only if the record has this version; 0: only if there is none')
    .action(
      async (
        key: string,
        value: string | undefined,
        options: Place & { expiry?: string; metadata?: string[]; ifVersion?: string },
      ) => {
        const { expiry, ifVersion, metadata } = options;
        const record = {
          key,
          value: await givenBytes(value, cli.streams.stdin, 'a value'),
          metadata: pairs(metadata, '--metadata'),
          ttl: expiry === undefined ? undefined : durationMs(expiry, '--expiry'),
        };
        await withStore(cli, async (store) => {
          const written = await store.write(record, { ...place(cli, options), ifVersion: version(ifVersion) });
          await cli.out.value(recordData(written), `wrote ${plainText(key)} (version ${written.version})`);
        });
      },
    );
  inTable(command.command('delete'))
    .description('delete records')
    .argument('<keys...>', 'their keys')
    .option('--if-version <NUMBER>', 'only if the record has this version')
    .action((keys: string[], options: Place & { ifVersion?: string }) =>
      withStore(cli, async (store) => {
        for (const key of keys)
          await store.delete(key, { ...place(cli, options), ifVersion: version(options.ifVersion) });
        cli.out.note(`deleted ${keys.map(plainText).join(', ')}`);
      }),
    );
  command
    .command('databases')
    .description('list databases: one a namespace')
    .action(() =>
      withStore(cli, async (store) =>
        names(cli, await store.databases(), 'no databases: nothing has been written yet'),
      ),
    );
  command
    .command('tables')
    .description('list the tables of a database: one a service')
    .option('--database <NAME>', 'default: the namespace')
    .action((options: Place) =>
      withStore(cli, async (store) => {
        const { database } = place(cli, options);
        await names(
          cli,
          await store.tables(database),
          `no tables in database ${database}: nothing has been written yet`,
        );
      }),
    );
  inTable(command.command('watch'))
    .description('print records as they are written and deleted, until ctrl-c')
    .argument('[prefix]', 'only keys that begin so')
    .option('--all', 'first what is there already')
    .action((prefix: string | undefined, options: Place & { all?: boolean }) =>
      withStore(cli, async (store) => {
        await untilInterrupted(async (signal) => {
          let tell = options.all ?? false;
          for await (const event of store.watch({ ...place(cli, options), prefix, signal })) {
            if (event.type === 'synced') {
              tell = true;
              cli.out.note(
                `watching ${prefix ? `keys that begin with ${plainText(prefix)}` : 'every key'} of ${placeText(cli, options)}`,
              );
            } else if (tell)
              await changed(
                cli,
                event.type === 'written'
                  ? { ...recordData(event.record), type: 'written' }
                  : { type: 'deleted', key: event.key },
              );
          }
        });
      }),
    );
  command
    .command('snapshot')
    .description('write everything in a database to a file, as of one moment, while it is in use')
    .argument('[file]', 'where to; - for standard output', '-')
    .option('--database <NAME>', 'default: the namespace')
    .action((file: string, options: Place) =>
      withStore(cli, async (store) => {
        const { database } = place(cli, options);
        const { encodeSnapshot } = await import('@micro/store/snapshot');
        const size = await transferring(cli.out, `snapshot of ${database}`, (meter) =>
          save(encodeSnapshot(store.snapshot(database)), file, { stdout: cli.streams.stdout, meter }),
        );
        cli.out.note(`wrote ${sizeText(size)}${file === '-' ? '' : ` to ${file}`}`);
      }),
    );
  command
    .command('restore')
    .description('put what a snapshot holds in the place of everything in a database')
    .argument('<file>', 'the snapshot; - for standard input')
    .option('--database <NAME>', 'default: the namespace')
    .action((file: string, options: Place) =>
      withStore(cli, async (store) => {
        const { database } = place(cli, options);
        const { decodeSnapshot } = await import('@micro/store/snapshot');
        const restored = await transferring(cli.out, `restoring ${database}`, (meter) =>
          store.restore(decodeSnapshot(content(file, cli.streams.stdin, meter)), database),
        );
        cli.out.note(`${database} holds ${restored} ${restored === 1 ? 'record' : 'records'} now`);
      }),
    );
}

/** The namespace is the database, unless another is named. */
function inTable(command: Command): Command {
  return command
    .option('--database <NAME>', 'default: the namespace')
    .option('--table <NAME>', 'of a service, its name (default micro)');
}

function place(cli: Cli, { database, table }: Place): TableOptions & { database: string } {
  return { database: database ?? cli.settings.namespace, table: table ?? 'micro' };
}

function placeText(cli: Cli, options: Place): string {
  const { table, database } = place(cli, options);
  return `table ${table} of database ${database}`;
}

function version(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text))
    throw new Failure(`--if-version must be a version that a read has shown, not ${JSON.stringify(text)}`);
  return BigInt(text);
}

/** The value of one record: for people as text, raw as it is. */
async function shown(cli: Cli, record: StoreRecord): Promise<void> {
  if (cli.out.format === 'raw') return write(cli.streams.stdout, record.value);
  return cli.out.value(recordData(record), contentText(record.value));
}

async function changed(cli: Cli, data: RecordData): Promise<void> {
  if (!cli.out.forPeople) return cli.out.streamed(data);
  const { paint } = cli.out;
  const value =
    data.type === 'written' ? ` ${typeof data.value === 'string' ? data.value : JSON.stringify(data.value)}` : '';
  cli.out.line(
    `${data.type === 'written' ? paint.green('written') : paint.red('deleted')} ${plainText(data.key)}${value}`,
  );
}

async function list(cli: Cli, store: Store, options: Selection): Promise<void> {
  const limit = options.limit === undefined ? 100 : count(options.limit, '--limit', 1_000_000);
  const rows: StoreRecord[] = [];
  const chosen: ListOptions = {
    ...place(cli, options),
    prefix: options.prefix,
    suffix: options.suffix,
    offset: options.offset === undefined ? undefined : count(options.offset, '--offset', 1_000_000_000, 0),
    order: order(options.order),
  };
  let more = false;
  for await (const record of records(store, chosen)) {
    more = rows.length === limit;
    if (more) break;
    rows.push(record);
  }
  await cli.out.list({
    columns: [
      { title: 'key', text: ({ key }) => plainText(key) },
      { title: 'value', text: ({ value }) => shortened(contentText(value)) },
      { title: 'size', text: ({ value }) => sizeText(value.length) },
      { title: 'expires', text: ({ expiresAt }) => (expiresAt === undefined ? '' : timeOf(expiresAt)) },
      { title: 'version', text: ({ version: number }) => String(number) },
    ],
    rows,
    data: recordData,
    empty: `no records ${options.prefix || options.suffix ? 'like that ' : ''}in ${placeText(cli, options)}: see micro store tables`,
  });
  if (more)
    cli.out.note(`there are more than ${limit}: say --limit, or --offset ${limit + (chosen.offset ?? 0)} for the next`);
}

/** Page after page. An offset counts once. */
async function* records(store: Store, options: ListOptions): AsyncGenerator<StoreRecord> {
  let { offset } = options;
  let cursor: string | undefined;
  do {
    const page = await store.list({ ...options, offset, cursor });
    yield* page.records;
    cursor = page.cursor;
    offset = undefined;
  } while (cursor !== undefined);
}

function names(cli: Cli, rows: readonly string[], empty: string): Promise<void> {
  return cli.out.list({ columns: [{ title: 'name', text: (name) => name }], rows, data: (name) => name, empty });
}

function recordData({ key, value, metadata, expiresAt, version: number }: StoreRecord): RecordData {
  const expires: Record<string, string> = expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() };
  return { key, value: contentData(value), metadata: { ...metadata }, ...expires, version: String(number) };
}

function order(text: string | undefined): ListOptions['order'] {
  if (text === undefined || (text !== '' && 'ascending'.startsWith(text))) return 'ascending';
  if (text !== '' && 'descending'.startsWith(text)) return 'descending';
  throw new Failure(`--order must be asc or desc, not ${JSON.stringify(text)}`);
}

function shortened(text: string): string {
  const line = plainText(text.replaceAll(/\s+/g, ' '));
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
