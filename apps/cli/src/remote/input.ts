import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Failure } from '../failure.js';
import { piped } from './json-lines.js';

type Stdin = Readable & { readonly isTTY?: boolean };

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

/** Content of a file, or with `-` of standard input, piece by piece; `each` is told how many bytes have been read. */
export async function* content(file: string, stdin: Stdin, each: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const source = file === '-' ? stdin : createReadStream(file, { highWaterMark: 256 * 1024 });
  let read = 0;
  try {
    for await (const chunk of source) {
      const bytes = Buffer.from(chunk as Buffer);
      read += bytes.length;
      each(read);
      yield bytes;
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === undefined
      ? error
      : unreadable(file, error as NodeJS.ErrnoException);
  }
}

async function collected(stdin: Stdin): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}

function unreadable(file: string, error: NodeJS.ErrnoException): Failure {
  return new Failure(`cannot read the file ${file} (${error.code})`, { cause: error });
}
