import { existsSync, readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MicroError } from '@micro/errors';
import { generate } from '@micro/proto';

/** Writes the TypeScript of a .proto beside it, as `micro gen` does. MicroError `failed_precondition` for a .proto with a fault, naming it. */
export async function generateBeside(proto: string, target: string): Promise<void> {
  let text: string;
  const readImport = (path: string) => (existsSync(join(dirname(proto), path)) ? readFileSync(join(dirname(proto), path), 'utf8') : undefined);
  try {
    text = generate({ path: basename(proto), text: await readFile(proto, 'utf8') }, { readImport });
  } catch (error) {
    const { detail } = error instanceof MicroError ? error : { detail: (error as Error).message };
    throw new MicroError('failed_precondition', `${proto}: ${detail}`, { id: 'runtime', cause: error });
  }
  // Whole or not at all: an editor or another build may be reading it.
  await writeFile(`${target}.new`, text);
  await rename(`${target}.new`, target);
}
