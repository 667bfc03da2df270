import { readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** What the package.json of the program that was started says of it; nothing of a tool that runs it. The name without its scope. */
export function packageOfProgram(): { readonly name?: string; readonly version?: string } {
  let folder = process.argv[1] ?? sep;
  if (folder.includes(`${sep}node_modules${sep}`)) return {};
  while (folder !== dirname(folder)) {
    folder = dirname(folder);
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: unknown;
        version?: unknown;
      };
      return { name: textOf(name)?.replace(/^@[^/]*\//, ''), version: textOf(version) };
    } catch {
      // Not here: one folder up.
    }
  }
  return {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
