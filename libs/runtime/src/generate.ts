import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { MicroError } from '@micro/errors';
import { generate } from '@micro/proto';
import { unwritable } from './log-file.js';

export interface Generated {
  /** `NAME.micro.ts`, beside the .proto. */
  readonly target: string;
  /** Whether it was another before, or none. */
  readonly changed: boolean;
}

/**
 * Makes the TypeScript of a .proto beside it, unless it is there and the same: what it says counts, not when it was written, which after a
 * `git clone` means nothing. With `check` only says whether that would change anything. MicroError `failed_precondition` for a .proto with a fault,
 * naming it, or a file that cannot be written.
 */
export function generateFile(proto: string, { check = false } = {}): Generated {
  const target = proto.replace(/\.proto$/, '.micro.ts');
  const text = generated(proto);
  const changed = readIfThere(target) !== text;
  if (changed && !check) write(target, text);
  return { target, changed };
}

function generated(proto: string): string {
  const text = readFileSync(proto, 'utf8');
  const root = rootOf(proto, text);
  const path = relative(root, proto).split(sep).join('/');
  try {
    return generate({ path, text }, { readImport: (imported) => readIfThere(join(root, imported)) });
  } catch (error) {
    const { detail } = error instanceof MicroError ? error : { detail: (error as Error).message };
    // `a.proto:3:1: …` with the name under which it can be opened from anywhere; a fault in an import has its own name.
    const shown = detail.startsWith(`${path}:`) ? `${proto}${detail.slice(path.length)}` : `${proto}: ${detail}`;
    throw new MicroError('failed_precondition', shown, { id: 'runtime', cause: error });
  }
}

/** Whole or not at all: an editor or another build may be reading it. */
function write(target: string, text: string): void {
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, target);
  } catch (error) {
    throw unwritable(target, error);
  }
}

/**
 * The folder that a .proto's imports are relative to: the nearest one above it from which they are found, but not above its package. The
 * file's own folder if it imports nothing, or nothing that is there.
 */
function rootOf(file: string, text: string): string {
  const imports = [...text.matchAll(/(?:^|;)\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"/gm)]
    .map(([, path]) => path as string)
    .filter((path) => !path.startsWith('google/'));
  const own = dirname(file);
  for (let folder = own, above = ''; folder !== above; above = folder, folder = join(folder, '..')) {
    if (imports.length > 0 && imports.every((path) => existsSync(join(folder, path)))) return folder;
    if (existsSync(join(folder, 'package.json'))) break;
  }
  return own;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
