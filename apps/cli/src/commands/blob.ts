import type { Command } from 'commander';
import type { BlobInfo, Blobs } from '@micro/store';
import type { Cli } from '../cli.js';
import { plainText, sizeText, timeOf } from '../output/content.js';
import { withBlobs } from '../remote/blocks.js';
import { collect, pairs } from '../remote/call-options.js';
import { content } from '../remote/input.js';
import { count } from '../remote/run-options.js';
import { save, transferring } from '../remote/transfer.js';

interface Place {
  readonly database?: string;
  readonly table?: string;
}

export function define(command: Command, cli: Cli): void {
  command.description('Keeps content of any size: files, images, backups.');
  inTable(command.command('put'))
    .description('write a blob, in place of what is there')
    .argument('<key>', 'its key')
    .argument('[file]', 'what to write (default: standard input, as -)')
    .option('--type <TYPE>', 'content type, like image/png')
    .option('--metadata <KEY=VALUE>', 'kept with it; repeat for more', collect)
    .option('--sha256 <HEX>', 'what it must hash to, else nothing is written')
    .action(
      (
        key: string,
        file: string | undefined,
        options: Place & { type?: string; metadata?: string[]; sha256?: string },
      ) =>
        withBlobs(cli, async (blobs) => {
          const { type: contentType, sha256 } = options;
          const metadata = pairs(options.metadata, '--metadata');
          const written = await transferring(cli.out, `writing ${plainText(key)}`, (meter) =>
            blobs.write(key, content(file, cli.streams.stdin, meter), {
              ...place(cli, options),
              contentType,
              sha256,
              metadata,
              signal: meter.signal,
            }),
          );
          await cli.out.value(
            infoData(written),
            `wrote ${plainText(key)}: ${sizeText(written.size)}, sha256 ${written.sha256}`,
          );
        }),
    );
  inTable(command.command('get'))
    .description('read a blob to a file, or to standard output')
    .argument('<key>', 'its key')
    .argument('[file]', 'where to; - for standard output', '-')
    .option('--offset <BYTES>', 'begin there (default 0)')
    .option('--length <BYTES>', 'at most so many (default to the end)')
    .action((key: string, file: string, options: Place & { offset?: string; length?: string }) =>
      withBlobs(cli, async (blobs) => {
        const range = {
          offset:
            options.offset === undefined ? undefined : count(options.offset, '--offset', Number.MAX_SAFE_INTEGER, 0),
          length: options.length === undefined ? undefined : count(options.length, '--length', Number.MAX_SAFE_INTEGER),
        };
        const size = await transferring(cli.out, `reading ${plainText(key)}`, async (meter) => {
          const { signal } = meter;
          const { info, content: pieces } = await blobs.read(key, { ...place(cli, options), ...range, signal });
          meter.total = Math.min(info.size - (range.offset ?? 0), range.length ?? info.size);
          return save(pieces, file, { stdout: cli.streams.stdout, meter });
        });
        if (file !== '-') cli.out.note(`read ${sizeText(size)} to ${file}`);
      }),
    );
  inTable(command.command('list'))
    .description('list blobs by key')
    .argument('[prefix]', 'only keys that begin so')
    .option('--prefix <TEXT>', 'the same, as micro store list has it')
    .option('--limit <NUMBER>', 'at most so many (default 100)')
    .action((prefix: string | undefined, options: Place & { prefix?: string; limit?: string }) =>
      withBlobs(cli, (blobs) => list(cli, blobs, { ...options, prefix: prefix ?? options.prefix })),
    );
  inTable(command.command('delete'))
    .description('delete blobs')
    .argument('<keys...>', 'their keys')
    .action((keys: string[], options: Place) =>
      withBlobs(cli, async (blobs) => {
        for (const key of keys) await blobs.delete(key, place(cli, options));
        cli.out.note(`deleted ${keys.map(plainText).join(', ')}`);
      }),
    );
}

function inTable(command: Command): Command {
  return command
    .option('--database <NAME>', 'default: the namespace')
    .option('--table <NAME>', 'of a service, its name (default micro)');
}

function place(cli: Cli, { database, table }: Place) {
  return { database: database ?? cli.settings.namespace, table: table ?? 'micro' };
}

async function list(
  cli: Cli,
  blobs: Blobs,
  options: Place & { readonly prefix?: string; readonly limit?: string },
): Promise<void> {
  const limit = options.limit === undefined ? 100 : count(options.limit, '--limit', 1_000_000);
  const rows: BlobInfo[] = [];
  let cursor: string | undefined;
  do {
    const page = await blobs.list({
      ...place(cli, options),
      prefix: options.prefix,
      limit: Math.min(limit + 1 - rows.length, 10_000),
      cursor,
    });
    rows.push(...page.blobs);
    cursor = page.cursor;
  } while (cursor !== undefined && rows.length <= limit);
  await cli.out.list({
    columns: [
      { title: 'key', text: ({ key }) => plainText(key) },
      { title: 'size', text: ({ size }) => sizeText(size) },
      { title: 'type', text: ({ contentType }) => plainText(contentType) },
      { title: 'modified', text: ({ modifiedAt }) => timeOf(modifiedAt) },
      { title: 'sha256', text: ({ sha256 }) => sha256.slice(0, 12) },
    ],
    rows: rows.slice(0, limit),
    data: infoData,
    empty: options.prefix
      ? `no blobs whose keys begin with ${plainText(options.prefix)}`
      : `no blobs in table ${place(cli, options).table} of database ${place(cli, options).database}: write one with micro blob put KEY FILE`,
  });
  if (rows.length > limit) cli.out.note(`there are more than ${limit}: say --limit`);
}

function infoData({ key, size, sha256, modifiedAt, contentType, metadata }: BlobInfo) {
  return {
    key,
    size,
    sha256,
    modified: new Date(modifiedAt).toISOString(),
    type: contentType,
    metadata: { ...metadata },
  };
}
