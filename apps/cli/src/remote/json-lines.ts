import { fstatSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { JsonValue } from '@micro/proto';
import { Failure } from '../failure.js';

/** Whether something is piped in, rather than a person sitting there, or, as in a cron job, /dev/null: who gives nothing there means nothing by it. */
export function piped(stdin: Readable & { readonly isTTY?: boolean; readonly fd?: number }): boolean {
  return stdin.isTTY !== true && (stdin.fd === undefined || !fstatSync(stdin.fd).isCharacterDevice());
}

/** Messages from a stream of text: one JSON value a line; empty lines are skipped. Failure naming the line that is not JSON. */
export async function* jsonLines(stdin: Readable): AsyncGenerator<JsonValue> {
  for await (const line of jsonTextLines(stdin)) yield JSON.parse(line) as JsonValue;
}

/** The same, each as the text that it was: numbers that JavaScript would round stay exact. */
export async function* jsonTextLines(stdin: Readable): AsyncGenerator<string> {
  let number = 0;
  for await (const line of createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() !== '') yield checked(line, `line ${number} of standard input`);
  }
}

/** A request as it is given to `call`: JSON, `@file`, or `-` for standard input. Default `{}`. */
export async function requestJson(text: string | undefined, stdin: Readable): Promise<JsonValue> {
  return text === undefined ? {} : (JSON.parse(await requestJsonText(text, stdin)) as JsonValue);
}

/** The same, as the text that it was. */
export async function requestJsonText(text: string, stdin: Readable, what = 'the request'): Promise<string> {
  if (text === '-') return checked(await readAll(stdin), 'standard input');
  if (!text.startsWith('@')) return checked(text, what);
  const { readFile } = await import('node:fs/promises');
  const file = text.slice(1);
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot read the file ${file} (${error.code})`, { cause: error });
  });
  return checked(content, file);
}

function checked(text: string, what: string): string {
  try {
    JSON.parse(text);
    return text.trim();
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
