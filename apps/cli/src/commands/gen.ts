import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { generate } from '@micro/proto';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { writeIfChanged } from '../scaffold/generated-file.js';
import { Failure } from '../failure.js';

interface Options {
  readonly watch?: boolean;
  readonly check?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command
    .description('Makes TypeScript of .proto files: messages, enums and services, each NAME.proto as NAME.micro.ts beside it.')
    .argument('[paths...]', 'files, or folders to look in (default: this folder)')
    .option('-w, --watch', 'go on, and make each again when it changes')
    .option('--check', 'write nothing; fail if a file is not up to date')
    .action(async (paths: string[], { watch, check }: Options) => {
      const roots = paths.length > 0 ? paths : ['.'];
      const files = protoFiles(roots);
      if (files.length === 0) throw new Failure(`there is no .proto file in ${roots.join(', ')}`);
      for (const file of files) generateFile(file, { cli, check: check === true });
      if (watch) await watchFiles(roots, cli);
    });
}

function generateFile(file: string, { cli, check }: { cli: Cli; check: boolean }): void {
  const target = join(dirname(file), `${basename(file, '.proto')}.micro.ts`);
  const text = generate({ path: basename(file), text: readFileSync(file, 'utf8') });
  if (check) {
    if (!statSync(target, { throwIfNoEntry: false }) || readFileSync(target, 'utf8') !== text) throw new Failure(`${target} is not up to date: run \`micro gen\``);
    return;
  }
  if (writeIfChanged(target, text)) cli.out.note(`${file} → ${target}`);
}

/** Files given, and files in folders given, however deep; not what was installed or built. */
function protoFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw new Failure(`there is no ${path}`);
    if (!found.isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => !['node_modules', 'dist'].includes(name) && !name.startsWith('.'));
    return names.map((name) => join(path, name)).flatMap((child) => (statSync(child).isDirectory() ? protoFiles([child]) : extname(child) === '.proto' ? [child] : []));
  });
}

async function watchFiles(roots: readonly string[], cli: Cli): Promise<void> {
  const { watch } = await import('chokidar');
  const ignored = (path: string) => /(?:^|\/)(?:node_modules|dist|\.git)(?:\/|$)/.test(path);
  const watcher = watch([...roots], { ignoreInitial: true, ignored });
  const changed = (file: string) => {
    if (extname(file) !== '.proto') return;
    // A file that is being written may be wrong for a moment: say so, and go on.
    try {
      generateFile(file, { cli, check: false });
    } catch (error) {
      cli.out.note(`${file}: ${(error as Error).message}`);
    }
  };
  watcher.on('add', changed).on('change', changed);
  cli.out.note('watching for changes; ctrl-c ends it');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve);
  });
  await watcher.close();
}
