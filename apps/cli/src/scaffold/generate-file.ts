import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { generate } from '@micro/proto';
import { readIfThere } from '../environment/locked-file.js';
import { writeIfChanged } from './generated-file.js';

export interface Generated {
  /** `NAME.micro.ts`, beside the .proto. */
  readonly target: string;
  /** Whether it was another before. */
  readonly changed: boolean;
}

/** Makes the TypeScript of a .proto beside it; with `check` only says whether that would change anything. MicroError for a .proto with a fault. */
export function generateFile(file: string, { check = false } = {}): Generated {
  const text = readFileSync(file, 'utf8');
  const root = rootOf(file, text);
  const path = relative(root, file).split(sep).join('/');
  const made = generate({ path, text }, { readImport: (imported) => readIfThere(join(root, imported)) });
  const target = file.replace(/\.proto$/, '.micro.ts');
  return { target, changed: check ? readIfThere(target) !== made : writeIfChanged(target, made) };
}

/**
 * The folder that a .proto's imports are relative to: the nearest one above it from which they are found, but not above its package. The
 * file's own folder if it imports nothing, or nothing that is there.
 */
function rootOf(file: string, text: string): string {
  const imports = [...text.matchAll(/^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"/gm)]
    .map(([, path]) => path!)
    .filter((path) => !path.startsWith('google/'));
  const own = dirname(file);
  for (let folder = own, above = ''; folder !== above; above = folder, folder = join(folder, '..')) {
    if (imports.length > 0 && imports.every((path) => existsSync(join(folder, path)))) return folder;
    if (existsSync(join(folder, 'package.json'))) break;
  }
  return own;
}
