import { isUtf8 } from 'node:buffer';
import { MicroError } from '@micro/errors';
import type { JsonValue } from '@micro/proto';

/**
 * Reads a JSON text (RFC 8259). MicroError `invalid_argument` says where it goes wrong, by line and column: `JSON.parse` of Node 20 often
 * does not.
 */
export function parseJson(body: Buffer): JsonValue {
  if (!isUtf8(body)) throw new MicroError('invalid_argument', 'the body is not valid UTF-8', { id: 'api' });
  const text = body.toString('utf8');
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new MicroError('invalid_argument', `the body is not valid JSON: ${whereWrong(text)}`, { id: 'api', cause: error });
  }
}

/** What is wrong with a text that is not JSON, and where. */
function whereWrong(text: string): string {
  const at = firstFault(text);
  const before = text.slice(0, at).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
  if (at >= text.length) return `it ends too early, at ${place}`;
  const character = String.fromCodePoint(text.codePointAt(at) as number);
  return `unexpected ${JSON.stringify(character)} at ${place}`;
}

const space = /[ \t\r\n]*/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;
const stringStart = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

/** Offset of the first character that cannot stand where it stands; the length of the text if it is only cut off. Does not recurse. */
function firstFault(text: string): number {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const matched = pattern.test(text);
    if (matched) at = pattern.lastIndex;
    return matched;
  };
  const takeString = () => take(string) || (take(stringStart), false);
  const open: ('{' | '[')[] = [];
  let expected: 'value' | 'value or ]' | 'key' | 'key or }' | 'end' = 'value';
  for (;;) {
    take(space);
    const next = text[at];
    if (next === undefined) return at;
    if (expected === 'end') {
      const within = open.at(-1);
      if (within === undefined) return at;
      if (next === ',') expected = within === '{' ? 'key' : 'value';
      else if (next === (within === '{' ? '}' : ']')) open.pop();
      else return at;
      at++;
    } else if ((next === ']' && expected === 'value or ]') || (next === '}' && expected === 'key or }')) {
      open.pop();
      expected = 'end';
      at++;
    } else if (expected === 'key' || expected === 'key or }') {
      if (!takeString()) return at;
      take(space);
      if (text[at] !== ':') return at;
      at++;
      expected = 'value';
    } else if (next === '{' || next === '[') {
      open.push(next);
      expected = next === '{' ? 'key or }' : 'value or ]';
      at++;
    } else {
      if (!(next === '"' ? takeString() : take(scalar))) return at;
      expected = 'end';
    }
  }
}
