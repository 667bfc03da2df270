import { readdirSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { generateFile } from '@micro/runtime';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { Failure, failureOf } from '../failure.js';

interface Options {
  readonly watch?: boolean;
  readonly check?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command
    .description(
      'Makes TypeScript of .proto files: messages, enums and services, each NAME.proto as NAME.micro.ts beside it.',
    )
    .argument('[paths...]', 'files, or folders to look in (default: this folder)')
    .option('-w, --watch', 'go on, and make each again when it changes')
    .option('--check', 'write nothing; fail if a file is not up to date')
    .action(async (paths: string[], { watch, check }: Options) => {
      const roots = paths.length > 0 ? paths : ['.'];
      const files = protoFiles(roots);
      if (files.length === 0) throw new Failure(`there is no .proto file in ${roots.join(', ')}`);
      const results = files.map((file) => ({ file, ...generateFile(resolve(file), { check }) }));
      const stale = results.filter(({ changed }) => changed);
      if (check && stale.length > 0)
        throw new Failure(`not up to date: ${stale.map(({ target }) => target).join(', ')}; run \`micro gen\``);
      for (const { file, target } of stale) cli.out.note(`${file} → ${target}`);
      if (!cli.out.forPeople)
        await cli.out.value(
          results.map(({ target, changed }) => ({ file: target, changed })),
          '',
        );
      if (watch) await watchFiles(roots, cli);
    });
}

/** Files given, and files in folders given, however deep; not what was installed or built. */
function protoFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw new Failure(`there is no ${path}`);
    if (!found.isDirectory()) return [path];
    const names = readdirSync(path, { withFileTypes: true }).filter(
      ({ name }) => !['node_modules', 'dist'].includes(name) && !name.startsWith('.'),
    );
    return names.flatMap((entry) => {
      const child = join(path, entry.name);
      return entry.isDirectory() ? protoFiles([child]) : extname(child) === '.proto' ? [child] : [];
    });
  });
}

async function watchFiles(roots: readonly string[], cli: Cli): Promise<void> {
  const { watch } = await import('chokidar');
  const ignored = (path: string) => /(?:^|\/)(?:node_modules|dist|\.git)(?:\/|$)/.test(path);
  const watcher = watch([...roots], { ignoreInitial: true, ignored });
  const make = (file: string) => {
    // A file that is being written may be wrong for a moment: say so, and go on.
    try {
      const { target, changed } = generateFile(resolve(file));
      if (changed) cli.out.note(`${file} → ${target}`);
    } catch (error) {
      cli.out.note(failureOf(error).message);
    }
  };
  // An editor may empty a file before it writes it: what counts is what is there a moment later.
  const waiting = new Map<string, NodeJS.Timeout>();
  const touched = (file: string) => {
    if (extname(file) !== '.proto') return;
    clearTimeout(waiting.get(file));
    waiting.set(file, setTimeout(make, 100, file));
  };
  watcher.on('add', touched).on('change', touched);
  await new Promise<void>((resolve) => void watcher.once('ready', resolve));
  // What changed before anybody watched.
  protoFiles(roots).forEach(make);
  cli.out.note('watching for changes; ctrl-c ends it');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
  await watcher.close();
  for (const timer of waiting.values()) clearTimeout(timer);
}
