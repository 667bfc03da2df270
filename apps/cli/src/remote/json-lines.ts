import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { JsonValue } from '@micro/proto';
import { Failure } from '../failure.js';

/** Whether something is piped in, rather than a person sitting there. */
export function piped(stdin: Readable & { readonly isTTY?: boolean }): boolean {
  return stdin.isTTY !== true;
}

/** Messages from a stream of text: one JSON value a line; empty lines are skipped. Failure naming the line that is not JSON. */
export async function* jsonLines(stdin: Readable): AsyncGenerator<JsonValue> {
  let number = 0;
  for await (const line of createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() !== '') yield parsed(line, `line ${number} of standard input`);
  }
}

/** A request as it is given to `call`: JSON, `@file`, or `-` for standard input. Default `{}`. */
export async function requestJson(text: string | undefined, stdin: Readable): Promise<JsonValue> {
  if (text === undefined) return {};
  if (text === '-') return parsed(await readAll(stdin), 'standard input');
  if (!text.startsWith('@')) return parsed(text, 'the request');
  const { readFile } = await import('node:fs/promises');
  const file = text.slice(1);
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot read the file ${file} (${error.code})`, { cause: error });
  });
  return parsed(content, file);
}

function parsed(text: string, what: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new Failure(
      `${what} is not JSON: ${(error as Error).message} (write it like '{"name":"Alice"}', in quotes)`,
      { cause: error },
    );
  }
}

async function readAll(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString('utf8');
}
