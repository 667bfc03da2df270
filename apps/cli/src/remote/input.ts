import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Failure } from '../failure.js';
import { piped } from './json-lines.js';
import { type Meter, unlessAborted } from './transfer.js';

type Stdin = Readable & { readonly isTTY?: boolean; readonly fd?: number };

/** Bytes that a command is given: the word itself; `@file`; `-`, or nothing while something is piped in, for standard input. */
export async function givenBytes(word: string | undefined, stdin: Stdin, what: string): Promise<Uint8Array> {
  if (word === undefined && !piped(stdin)) throw new Failure(`give ${what}, @file, or - for standard input`);
  if (word === undefined || word === '-') return collected(stdin);
  if (!word.startsWith('@')) return Buffer.from(word);
  const file = word.slice(1);
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, error);
  });
}

/**
 * Content of a file, or of standard input where none is named or `-` is, piece by piece, until the meter's signal aborts. Failure where somebody
 * would have to type it, and where nothing is named and nothing piped in.
 */
export async function* content(file: string | undefined, stdin: Stdin, meter: Meter): AsyncGenerator<Uint8Array> {
  const fromInput = file === undefined || file === '-';
  if (fromInput && (stdin.isTTY || (file === undefined && !piped(stdin))))
    throw new Failure('name a file, or pipe something in');
  meter.otherwise = 'nothing was written';
  if (!fromInput) meter.total = await sizeOf(file);
  const source = fromInput ? stdin : createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    for await (const piece of unlessAborted(source as AsyncIterable<Buffer>, meter.signal)) {
      meter.add(piece.length);
      yield piece;
    }
  } catch (error) {
    throw fromInput || (error as NodeJS.ErrnoException).syscall === undefined
      ? error
      : unreadable(file, error as NodeJS.ErrnoException);
  }
}

/** Undefined for what has no size of its own, like a pipe. */
async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, error);
  });
  return found.isFile() ? found.size : undefined;
}

async function collected(stdin: Stdin): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'not allowed',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
};

function unreadable(file: string, error: NodeJS.ErrnoException): Failure {
  return new Failure(`cannot read the file ${file}: ${reasons[error.code ?? ''] ?? error.code}`, { cause: error });
}
