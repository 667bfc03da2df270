import type { Command } from 'commander';
import type { ConsumeOptions, DeadLetter, Event, Events, Position, StreamInfo } from '@micro/broker';
import type { JsonValue } from '@micro/proto';
import type { Cli } from '../cli.js';
import { durationMs } from '../dynamic/time-text.js';
import { Failure } from '../failure.js';
import { contentData, contentText, plainText, sizeText, timeOf } from '../output/content.js';
import { withEvents } from '../remote/blocks.js';
import { collect, pairs } from '../remote/call-options.js';
import { untilInterrupted } from '../remote/interrupt.js';
import { jsonBodies } from '../remote/json-bodies.js';
import { count } from '../remote/run-options.js';

interface ConsumeFlags {
  readonly group: string;
  readonly from?: string;
  readonly ackWait?: string;
  readonly maxDeliveries?: string;
  readonly count?: string;
}

const whence = 'oldest, newest, an offset, a duration like 10m, or a time like 2026-01-31T12:00:00Z';

export function define(command: Command, cli: Cli): void {
  const inNamespace = () => ({ namespace: cli.settings.namespace });
  command
    .description('Lists streams of events: what they hold, and how far their groups are.')
    .action(() => withEvents(cli, async (events) => streams(cli, await events.streams(inNamespace()))));
  command
    .command('publish')
    .description('publish an event: it is kept')
    .argument('<stream>', 'its name')
    .argument('[event]', 'JSON, @file; or, of standard input, each line')
    .option('--id <ID>', 'an id by which a repetition is known (default: made up)')
    .option('--header <KEY=VALUE>', 'kept along; repeat for more', collect)
    .action((stream: string, event: string | undefined, options: { id?: string; header?: string[] }) =>
      withEvents(cli, async (events) => {
        const headers = { 'content-type': 'application/json', ...pairs(options.header, '--header') };
        for await (const body of jsonBodies(event, cli.streams.stdin)) {
          const { offset, id, duplicate } = await events.publish(
            stream,
            { body, headers, id: options.id },
            inNamespace(),
          );
          const data = { stream, offset: String(offset), id, duplicate };
          await cli.out.value(data, `${stream} ${offset}${duplicate ? ': was there already' : ''}`);
        }
      }),
    );
  command
    .command('read')
    .description('print events as they are kept')
    .argument('<stream>', 'its name')
    .option('--from <WHERE>', `${whence} (default oldest)`)
    .option('--limit <NUMBER>', 'at most so many (default 100)')
    .action((stream: string, options: { from?: string; limit?: string }) =>
      withEvents(cli, async (events) => {
        let left = options.limit === undefined ? 100 : count(options.limit, '--limit', 1_000_000);
        let from = position(options.from) ?? 'oldest';
        let found = false;
        while (left > 0) {
          const page = await events.read(stream, { ...inNamespace(), from, limit: Math.min(left, 10_000) });
          for (const event of page) await shown(cli, event);
          const last = page.at(-1);
          if (!last) break;
          found = true;
          left -= page.length;
          from = { offset: last.offset + 1n };
        }
        if (!found) cli.out.note(`no events in ${stream}${options.from ? ' from there on' : ''}: see micro events`);
      }),
    );
  command
    .command('follow')
    .description('print events as they are published, until ctrl-c')
    .argument('<stream>', 'its name')
    .option('--from <WHERE>', `${whence} (default newest)`)
    .action((stream: string, options: { from?: string }) =>
      withEvents(cli, async (events) => {
        await untilInterrupted(async (signal) => {
          const asked = position(options.from) ?? 'newest';
          const from = asked === 'newest' ? await behindNewest(events, stream, cli.settings.namespace) : asked;
          cli.out.note(`following ${stream}${options.from === undefined ? '' : ` from ${options.from}`}`);
          for await (const event of events.follow(stream, { ...inNamespace(), from, signal })) await shown(cli, event);
        });
      }),
    );
  command
    .command('consume')
    .description('take part in a group: print events and acknowledge them, until ctrl-c')
    .argument('<stream>', 'its name')
    .requiredOption('--group <NAME>', 'who shares the work')
    .option('--from <WHERE>', `where a new group begins: ${whence} (default oldest)`)
    .option('--ack-wait <DURATION>', 'give an event out again after so long (default 30s)')
    .option('--max-deliveries <NUMBER>', 'times that an event is given out (default 5)')
    .option('-c, --count <NUMBER>', 'end after so many')
    .action((stream: string, flags: ConsumeFlags) =>
      withEvents(cli, async (events) => {
        const most =
          flags.count === undefined ? Number.POSITIVE_INFINITY : count(flags.count, '--count', 1_000_000_000);
        const options = { ...inNamespace(), ...consumeOptions(flags, most) };
        await untilInterrupted(async (signal) => {
          await using consumer = await events.consume(stream, { ...options, signal });
          cli.out.note(`consuming ${stream} in group ${flags.group}`);
          let came = 0;
          for await (const delivery of consumer) {
            await shown(cli, delivery.event, delivery.attempt);
            // What was printed was seen; before that it was not.
            await cli.out.flushed();
            await delivery.ack();
            if (++came >= most) return;
          }
        });
      }),
    );
  command
    .command('dead')
    .description('list dead letters: events that a group gave up on')
    .argument('<stream>', 'its name')
    .option('--group <NAME>', 'of this group alone')
    .option('--drop', 'remove them for good, of the group that is named')
    .argument('[offsets...]', 'with --drop: only these')
    .action((stream: string, offsets: string[], options: { group?: string; drop?: boolean }) =>
      withEvents(cli, async (events) => {
        const { group } = options;
        if (!options.drop && offsets.length > 0)
          throw new Failure('offsets go with --drop: without it all dead letters are listed');
        if (!options.drop) return dead(cli, await events.deadLetters(stream, { ...inNamespace(), group }));
        if (group === undefined) throw new Failure('--drop needs --group: whose dead letters are to be removed');
        const dropped = await events.drop(stream, { ...inNamespace(), group, offsets: offsetsOf(offsets) });
        cli.out.note(`removed ${dropped} ${dropped === 1 ? 'dead letter' : 'dead letters'} of group ${group}`);
      }),
    );
  command
    .command('replay')
    .description('give dead letters out again')
    .argument('<stream>', 'its name')
    .requiredOption('--group <NAME>', 'the group that gave up on them')
    .argument('[offsets...]', 'only these (default all)')
    .action((stream: string, offsets: string[], { group }: { group: string }) =>
      withEvents(cli, async (events) => {
        const replayed = await events.replay(stream, { ...inNamespace(), group, offsets: offsetsOf(offsets) });
        await cli.out.value(
          { replayed },
          `${replayed} ${replayed === 1 ? 'event is' : 'events are'} given out to ${group} again`,
        );
      }),
    );
}

function consumeOptions({ group, from, ackWait, maxDeliveries }: ConsumeFlags, most: number): ConsumeOptions {
  return {
    group,
    from: position(from),
    ackWait: ackWait === undefined ? undefined : durationMs(ackWait, '--ack-wait'),
    maxDeliveries: maxDeliveries === undefined ? undefined : count(maxDeliveries, '--max-deliveries', 1_000_000),
    // No more than will be printed: what is taken beyond that would have to be given back.
    inFlight: Math.min(most, 64),
  };
}

/** Where reading begins. Failure for text that is no such place. */
export function position(text: string | undefined, now = Date.now()): Position | undefined {
  if (text === undefined || text === 'oldest' || text === 'newest') return text;
  if (/^\d{1,19}$/.test(text)) return { offset: BigInt(text) };
  if (/^\d+(\.\d+)?[a-z]/.test(text)) return { time: now - durationMs(text, '--from') };
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new Failure(`--from must be ${whence}, not ${JSON.stringify(text)}`);
  return { time };
}

/** Where what is published from now on begins: told of a stream that is asked for, so that what comes after the answer is not missed. */
async function behindNewest(events: Events, stream: string, namespace: string): Promise<Position> {
  const [info] = await events.streams({ stream, namespace });
  return info?.newest === undefined ? 'oldest' : { offset: info.newest + 1n };
}

function offsetsOf(words: readonly string[]): bigint[] | undefined {
  if (words.length === 0) return undefined;
  return words.map((word) => {
    if (!/^\d{1,19}$/.test(word))
      throw new Failure(`${JSON.stringify(word)} is no offset: micro events dead lists them`);
    return BigInt(word);
  });
}

async function shown(cli: Cli, event: Event, attempt = 1): Promise<void> {
  const { paint } = cli.out;
  if (cli.out.format === 'raw') return cli.out.line(contentText(event.body));
  if (!cli.out.forPeople) return cli.out.streamed({ ...eventData(event), ...(attempt > 1 ? { attempt } : {}) });
  const again = attempt > 1 ? paint.yellow(` (attempt ${attempt})`) : '';
  cli.out.line(`${paint.dim(`${event.offset} ${timeOf(event.publishedAt)}`)} ${contentText(event.body)}${again}`);
}

function eventData({ stream, offset, id, headers, body, publishedAt }: Event): { [name: string]: JsonValue } {
  return {
    stream,
    offset: String(offset),
    id,
    published: new Date(publishedAt).toISOString(),
    headers: { ...headers },
    body: contentData(body),
  };
}

function streams(cli: Cli, rows: readonly StreamInfo[]): Promise<void> {
  return cli.out.list({
    columns: [
      { title: 'stream', text: ({ stream }) => stream },
      { title: 'events', text: ({ events }) => String(events) },
      { title: 'size', text: ({ bytes }) => sizeText(bytes) },
      { title: 'offsets', text: ({ oldest, newest }) => (oldest === undefined ? '' : `${oldest}–${newest}`) },
      {
        title: 'groups: pending, dead',
        text: ({ groups }, paint) =>
          groups
            .map(
              ({ group, pending, deadLetters }) =>
                `${group}: ${pending}, ${deadLetters > 0 ? paint.red(String(deadLetters)) : 0}`,
            )
            .join('; '),
      },
    ],
    rows,
    data: ({ stream, events, bytes, oldest, newest, groups }) => ({
      stream,
      events,
      bytes,
      ...(oldest === undefined ? {} : { oldest: String(oldest), newest: String(newest) }),
      groups: groups.map((group) => ({ ...group })),
    }),
    empty: `no streams in namespace ${cli.settings.namespace}: publish an event with micro events publish STREAM JSON`,
  });
}

function dead(cli: Cli, rows: readonly DeadLetter[]): Promise<void> {
  return cli.out.list({
    columns: [
      { title: 'offset', text: ({ event }) => String(event.offset) },
      { title: 'group', text: ({ group }) => group },
      { title: 'attempts', text: ({ attempts }) => String(attempts) },
      { title: 'died', text: ({ diedAt }) => timeOf(diedAt) },
      { title: 'reason', text: ({ reason }) => plainText(reason) },
      { title: 'event', text: ({ event }) => contentText(event.body) },
    ],
    rows,
    data: ({ event, group, attempts, reason, diedAt }) => ({
      ...eventData(event),
      group,
      attempts,
      reason,
      died: new Date(diedAt).toISOString(),
    }),
    empty: 'no dead letters',
  });
}
