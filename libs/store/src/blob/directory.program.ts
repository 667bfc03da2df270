/** A process of its own for directory.spec.ts: writes without end into a folder; or fills its disk; or only opens it. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MicroError } from '@micro/errors';
import { openDirectory } from './directory.js';

const [, , folder = '', how = 'write'] = process.argv;
const say = (line: string) => process.stdout.write(`${line}\n`);

async function* content(pieces: number) {
  for (let made = 0; made < pieces; made++) {
    yield randomBytes(256 * 1024);
    if (made === 2 && how === 'write') {
      say('writing');
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    }
  }
}

async function fill(): Promise<void> {
  const blobs = await openDirectory(folder);
  await blobs.write('small', [new TextEncoder().encode('before')]);
  await blobs.write('small', content(100)).catch((error: unknown) => say(MicroError.from(error).code));
  say(`drafts ${(await readdir(join(folder, '.writing'))).length}`);
  for await (const piece of (await blobs.read('small')).content) say(`small: ${new TextDecoder().decode(piece)}`);
  await blobs.write('small', [new Uint8Array(1_000_000)]);
  say('and written again');
}

const open = () => openDirectory(folder).then(undefined, (error: unknown) => say(MicroError.from(error).code));
const write = async () => (await openDirectory(folder)).write('a', content(Number.POSITIVE_INFINITY));
void (how === 'fill' ? fill() : how === 'open' ? open() : write());
