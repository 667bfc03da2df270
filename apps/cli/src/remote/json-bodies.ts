import type { Readable } from 'node:stream';
import { Failure } from '../failure.js';
import { jsonTextLines, piped, requestJsonText } from './json-lines.js';

/** Bodies of messages: of one that is given as JSON or @file, or of those on standard input, one a line. As they were given: numbers keep all their digits. */
export async function* jsonBodies(
  text: string | undefined,
  stdin: Readable & { readonly isTTY?: boolean },
): AsyncGenerator<Uint8Array> {
  if (text !== undefined && text !== '-') {
    yield Buffer.from(await requestJsonText(text, stdin, 'the message'));
    return;
  }
  if (text === undefined && !piped(stdin))
    throw new Failure('give a message in JSON, @file, or - for one a line from standard input');
  for await (const line of jsonTextLines(stdin)) yield Buffer.from(line);
}
