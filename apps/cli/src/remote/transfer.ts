import { open, rename, rm } from 'node:fs/promises';
import { Failure } from '../failure.js';
import { sizeText } from '../output/content.js';
import type { Output, Sink } from '../output/output.js';

/** Milliseconds between two words about how far a transfer is. */
const between = 200;

/** Runs a transfer that tells how many bytes it has moved, and shows that while it lasts. */
export async function transferring<T>(
  out: Output,
  what: string,
  transfer: (moved: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const progress = out.interactive ? await out.progress(what) : undefined;
  let last = performance.now();
  const moved = (bytes: number) => {
    const now = performance.now();
    if (now - last < between) return;
    last = now;
    progress?.step(`${what}: ${sizeText(bytes)}`);
  };
  try {
    return await transfer(moved);
  } finally {
    progress?.stop();
  }
}

/**
 * Writes what comes to a file, or with `-` to standard output, as fast as that takes it. A file has its name only when it is complete: what breaks
 * off leaves what was there before.
 */
export async function save(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
  { stdout, moved }: { readonly stdout: Sink; readonly moved: (bytes: number) => void },
): Promise<number> {
  let size = 0;
  const count = (piece: Uint8Array) => {
    size += piece.length;
    moved(size);
  };
  if (file === '-') {
    for await (const piece of pieces) {
      await write(stdout, piece);
      count(piece);
    }
    return size;
  }
  const part = `${file}.${process.pid}.part`;
  const handle = await open(part, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw unwritable(file, error);
  });
  try {
    for await (const piece of pieces) {
      await handle.writeFile(piece).catch((error: NodeJS.ErrnoException) => {
        throw unwritable(file, error);
      });
      count(piece);
    }
    await handle.close();
    await rename(part, file).catch((error: NodeJS.ErrnoException) => {
      throw unwritable(file, error);
    });
    return size;
  } catch (error) {
    await handle.close();
    await rm(part, { force: true });
    throw error;
  }
}

/** Writes bytes as they are, and waits while the reader is slower. */
export async function write(sink: Sink, bytes: Uint8Array): Promise<void> {
  if (sink.write(bytes) !== false || !sink.once) return;
  await new Promise<void>((resolve) => sink.once?.('drain', resolve));
}

function unwritable(file: string, error: NodeJS.ErrnoException): Failure {
  const why = error.code === 'ENOSPC' ? 'the disk is full' : error.code;
  return new Failure(`cannot write the file ${file} (${why})`, { cause: error });
}
