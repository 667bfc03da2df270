import { MicroError } from '@micro/errors';
import type { JsonValue } from '../definition.js';

/** Deeper than this nothing is read: messages nest at most a hundred deep. */
const deepest = 1000;

/**
 * JSON.parse for messages. It refuses an object that has a key twice, of which JSON.parse would take the last without a word, and keeps
 * integers of 16 and more digits exact, where JSON.parse rounds them: they come as bigint, which `fromJson` understands.
 * Throws MicroError `invalid_argument`.
 */
export function parseJson(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new MicroError('invalid_argument', `not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null) return longInteger.test(text) ? (BigInt(text) as unknown as JsonValue) : value;
  const members = countMembers(text);
  return members >= 0 && members === countKeys(value, deepest) ? value : new ExactParser(text).parse();
}

const longInteger = /^\s*-?[0-9]{16,}\s*$/;

const quote = 34, backslash = 92, colon = 58, zero = 48, nine = 57, dot = 46;

/** How many members all objects of a JSON text have; -1 if it has a number with so many digits that it may be rounded. */
function countMembers(text: string): number {
  let members = 0, digits = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
    } else if (code === colon) {
      members++;
      digits = 0;
    } else if (code >= zero && code <= nine) {
      if (++digits >= 16) return -1;
    } else if (code !== dot) {
      digits = 0;
    }
  }
  return members;
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

function countKeys(value: JsonValue, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth === 0) throw new MicroError('invalid_argument', `JSON is nested deeper than ${deepest}`);
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += countKeys(item, depth - 1);
    return count;
  }
  for (const key of Object.keys(value)) {
    const item = value[key]!;
    count++;
    if (typeof item === 'object') count += countKeys(item, depth - 1);
  }
  return count;
}

const blank = /[ \t\n\r]*/y;
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
    if (depth === 0) throw new MicroError('invalid_argument', `JSON is nested deeper than ${deepest}`);
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
      if (Object.hasOwn(object, key)) throw new MicroError('invalid_argument', `not valid JSON: an object has the key ${JSON.stringify(key)} twice`);
      this.#peek();
      this.#at++;
      // Assigning `__proto__` would set the prototype.
      Object.defineProperty(object, key, { value: this.#value(depth), enumerable: true, configurable: true, writable: true });
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
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): JsonValue {
    numberLiteral.lastIndex = this.#at;
    const [text, fraction, exponent] = numberLiteral.exec(this.#text)!;
    this.#at = numberLiteral.lastIndex;
    if (fraction !== undefined || exponent !== undefined || text.length < 16) return Number(text);
    return BigInt(text) as unknown as JsonValue;
  }

  #peek(): string | undefined {
    blank.lastIndex = this.#at;
    blank.exec(this.#text);
    this.#at = blank.lastIndex;
    return this.#text[this.#at];
  }
}
