import type { Command } from 'commander';
import type { runtimeProto } from '@micro/proto';
import type { Cli } from '../cli.js';
import { durationMs } from '../dynamic/time-text.js';
import { Failure } from '../failure.js';
import type { Paint } from '../output/paint.js';
import { count } from '../remote/run-options.js';
import { RuntimeConnection } from '../remote/runtime.js';

interface Options {
  readonly follow?: boolean;
  readonly lines?: string;
  readonly since?: string;
}

export function define(command: Command, cli: Cli): void {
  command
    .description('Shows what a service wrote, of all its instances, oldest first.')
    .argument('<service>', 'its name')
    .option('-f, --follow', 'go on with each new line, until ctrl-c')
    .option('-n, --lines <NUMBER>', 'only the last so many')
    .option('--since <TIME>', 'only what is younger: a duration like 10m, or a time like 2026-01-31T12:00:00Z')
    .action(async (name: string, { follow = false, lines, since }: Options) => {
      const request = {
        name,
        follow,
        lines: lines === undefined ? 0 : count(lines, '--lines', 1_000_000),
        sinceMs: since === undefined ? 0n : BigInt(sinceMs(since)),
      };
      const runtime = new RuntimeConnection(cli);
      const [running] = cli.out.forPeople ? await runtime.read(name) : [];
      const prefix = instancePrefix(cli.out.paint, (running?.instances.length ?? 0) > 1);
      for await (const line of runtime.logs(request)) {
        if (cli.out.forPeople) cli.out.line(prefix(line) + line.text);
        else if (cli.out.format === 'raw') cli.out.line(line.text);
        else
          await cli.out.streamed({
            time: new Date(Number(line.timeMs)).toISOString(),
            instance: line.instance,
            stream: line.stream,
            text: line.text,
          });
      }
    });
}

/** Milliseconds since the epoch: of a time, or of so long ago. Failure for text that is neither. */
export function sinceMs(text: string, now = Date.now()): number {
  if (/^\d+(\.\d+)?[a-z]/.test(text)) return now - durationMs(text, '--since');
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new Failure(
      `--since must be a duration like 10m or a time like 2026-01-31T12:00:00Z, not ${JSON.stringify(text)}`,
    );
  return time;
}

/** Names the instance of a line once there is more than one; what building said is always named. */
function instancePrefix(paint: Paint, several: boolean): (line: runtimeProto.LogLine) => string {
  const colors = [paint.cyan, paint.magenta, paint.blue, paint.green, paint.yellow];
  const seen = new Map<string, string>();
  return ({ instance }) => {
    if (instance === 'build') return `${paint.dim('build |')} `;
    if (!seen.has(instance)) seen.set(instance, colors[seen.size % colors.length]!(instance));
    return several || seen.size > 1 ? `${seen.get(instance)} ${paint.dim('|')} ` : '';
  };
}
