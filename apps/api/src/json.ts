import { isUtf8 } from 'node:buffer';
import { MicroError } from '@micro/errors';
import { type JsonValue, parseJson as parseExactly } from '@micro/proto';

/**
 * Reads a JSON text (RFC 8259) as services do: 64-bit integers exactly (as bigint, for `jsonText` to write), no key twice. MicroError
 * `invalid_argument` says where it goes wrong, by line and column: `JSON.parse` of Node 20 often does not.
 */
export function parseJson(body: Buffer): JsonValue {
  if (!isUtf8(body)) throw new MicroError('invalid_argument', 'the body is not valid UTF-8', { id: 'api' });
  const text = body.toString('utf8');
  try {
    return parseExactly(text);
  } catch (error) {
    const { detail, cause } = MicroError.from(error);
    const problem = cause instanceof SyntaxError ? `not valid JSON: ${whereWrong(text)}` : detail;
    throw new MicroError('invalid_argument', `the body is ${problem}`, { id: 'api', cause });
  }
}

/** The text of what `parseJson` has read: JSON.stringify knows no bigint. */
export function jsonText(value: JsonValue | bigint): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  return `{${Object.keys(value)
    .map((key) => `${JSON.stringify(key)}:${jsonText(value[key] as JsonValue)}`)
    .join(',')}}`;
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
