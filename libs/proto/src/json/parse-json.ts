import { MicroError } from '@micro/errors';
import type { JsonValue } from '../definition.js';

/** Deeper than this nothing is read: messages nest at most a hundred deep. */
const deepest = 1000;

/**
 * JSON.parse for messages. It refuses an object that has a key twice, of which JSON.parse would take the last without a word, and keeps
 * 64-bit integers exact, where JSON.parse rounds those beyond 2^53: they come as bigint, which `fromJson` understands. Throws MicroError
 * `invalid_argument`.
 */
export function parseJson(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new MicroError('invalid_argument', `not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  // What JSON.parse has dropped is missing among the strings; a number that it may have rounded makes their count NaN.
  if (typeof value === 'object' && value !== null)
    return countQuotes(text) === 2 * countStrings(value, deepest) ? value : new ExactParser(text).parse();
  return isRounded(value) ? new ExactParser(text).parse() : value;
}

const space = 32,
  backslash = 92;

/** How many quotes of a JSON text begin or end a string. */
function countQuotes(text: string): number {
  let quotes = 0;
  if (!text.includes('\\')) {
    for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quotes++;
    return quotes;
  }
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', endOfString(text, at) + 1)) quotes += 2;
  return quotes;
}

/** Where the string that begins here ends. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}

/** How many strings, keys included, are in an object or array; NaN if a number in it may have been rounded. */
function countStrings(value: object, depth: number): number {
  if (depth === 0) throw tooDeep();
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) {
      if (typeof item === 'string') count++;
      else if (typeof item === 'object' && item !== null) count += countStrings(item, depth - 1);
      else if (isRounded(item)) return Number.NaN;
    }
    return count;
  }
  // What JSON.parse has made inherits nothing enumerable, and `for in` makes no list of the keys.
  for (const key in value) {
    const item = (value as Readonly<Record<string, unknown>>)[key];
    count++;
    if (typeof item === 'string') count++;
    else if (typeof item === 'object' && item !== null) count += countStrings(item, depth - 1);
    else if (isRounded(item)) return Number.NaN;
  }
  return count;
}

function isRounded(value: unknown): boolean {
  return typeof value === 'number' && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER);
}

function tooDeep(): MicroError {
  return new MicroError('invalid_argument', `JSON is nested deeper than ${deepest}`);
}

/** Characters of the longest 64-bit integer. A number of more fits none, and to read it as a bigint could take seconds. */
const longestInteger = 20;

const numberLiteral = /-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

/** Reads JSON that JSON.parse has found valid, slowly, for what JSON.parse does not tell. */
class ExactParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): JsonValue {
    return this.#value(deepest);
  }

  #value(depth: number): JsonValue {
    if (depth === 0) throw tooDeep();
    switch (this.#peek()) {
      case '{':
        return this.#object(depth - 1);
      case '[':
        return this.#array(depth - 1);
      case '"':
        return this.#string();
      case 't':
        this.#at += 4;
        return true;
      case 'f':
        this.#at += 5;
        return false;
      case 'n':
        this.#at += 4;
        return null;
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonValue {
    const object: Record<string, JsonValue> = {};
    this.#at++;
    while (this.#peek() !== '}') {
      if (this.#text[this.#at] === ',') this.#at++;
      this.#peek();
      const key = this.#string();
      if (Object.hasOwn(object, key))
        throw new MicroError(
          'invalid_argument',
          `not valid JSON: an object has the key ${JSON.stringify(key.slice(0, 100))} twice`,
        );
      this.#peek();
      this.#at++;
      const value = this.#value(depth);
      // Assigning it would set the prototype.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      else object[key] = value;
    }
    this.#at++;
    return object;
  }

  #array(depth: number): JsonValue {
    const array: JsonValue[] = [];
    this.#at++;
    while (this.#peek() !== ']') {
      if (this.#text[this.#at] === ',') this.#at++;
      array.push(this.#value(depth));
    }
    this.#at++;
    return array;
  }

  #string(): string {
    const start = this.#at;
    this.#at = endOfString(this.#text, start) + 1;
    // Not a slice, even where it would do: it would keep the whole text in memory.
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): JsonValue {
    numberLiteral.lastIndex = this.#at;
    const [text, fraction, exponent] = numberLiteral.exec(this.#text)!;
    this.#at = numberLiteral.lastIndex;
    const value = Number(text);
    if (!isRounded(value) || fraction !== undefined || exponent !== undefined || text.length > longestInteger)
      return value;
    return BigInt(text) as unknown as JsonValue;
  }

  #peek(): string | undefined {
    while (this.#text.charCodeAt(this.#at) <= space) this.#at++;
    return this.#text[this.#at];
  }
}
