import { readFileSync } from 'node:fs';
import type { FieldDefinition, JsonValue } from '@micro/proto';
import { Failure } from '../failure.js';
import { didYouMean } from '../suggest.js';
import { timeText, durationText } from './time-text.js';
import { wellKnown } from './well-known.js';

/** The text of a flag as the JSON of one value of the field. Failure naming the flag and what it takes. */
export function fieldValue(field: FieldDefinition, text: string, flag: string): JsonValue {
  const known = wellKnown(field);
  if (typeof known === 'object') return scalarValue(known.wraps, text, flag);
  switch (known) {
    case 'timestamp':
      return timeText(text, flag);
    case 'duration':
      return durationText(text, flag);
    case 'fieldMask':
      return text;
    case 'value':
      return parseJson(text) ?? (text === 'null' ? null : text);
    case 'list':
      return jsonOf(text, flag, 'array');
    default:
      break;
  }
  if (field.type === 'message') return jsonOf(text, flag, 'object');
  if (field.enum) return enumValue(field.enum.values, text, flag);
  return scalarValue(field.type, text, flag);
}

/** A key of a map, checked against its type; keys are strings in JSON. */
export function mapKey(field: FieldDefinition, text: string, flag: string): string {
  return field.mapKey === undefined || field.mapKey === 'string' ? text : String(scalarValue(field.mapKey, text, flag));
}

/** JSON text that must be an object or an array; `@file` reads it from a file. */
export function jsonOf(text: string, flag: string, kind: 'object' | 'array'): JsonValue {
  const source = text.startsWith('@') ? readText(text.slice(1), flag).toString('utf8') : text;
  const value = parseJson(source);
  const right =
    kind === 'array' ? Array.isArray(value) : typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!right) {
    const example = kind === 'array' ? `'["a"]'` : `'{"name":"value"}'`;
    throw new Failure(`${flag} must be a JSON ${kind} like ${example}, or @file, not ${shown(text)}`);
  }
  return value!;
}

/** undefined if the text is not JSON. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

const integers: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
};

function scalarValue(type: string, text: string, flag: string): JsonValue {
  const range = integers[type];
  if (range) return integerValue(type, range, { text, flag });
  switch (type) {
    case 'string':
      return text;
    case 'bool':
      return boolValue(text, flag);
    case 'bytes':
      return bytesValue(text, flag);
    default:
      return floatValue(type, text, flag);
  }
}

interface Given {
  readonly text: string;
  readonly flag: string;
}

function integerValue(type: string, [min, max]: readonly [bigint, bigint], { text, flag }: Given): JsonValue {
  const number =
    /^[+-]?\d{1,30}$/.test(text) || /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text.replace(/^\+/, '')) : undefined;
  if (number === undefined || number < min || number > max) {
    throw new Failure(`${flag} must be a whole number from ${min} to ${max}, not ${shown(text)}`);
  }
  return type.endsWith('64') ? String(number) : Number(number);
}

function floatValue(type: string, text: string, flag: string): JsonValue {
  if (/^(NaN|-?Infinity)$/.test(text)) return text;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number) || (type === 'float' && !Number.isFinite(Math.fround(number)))) {
    throw new Failure(`${flag} must be a number${type === 'float' ? ' of single precision' : ''}, not ${shown(text)}`);
  }
  return number;
}

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  1: true,
  yes: true,
  false: false,
  f: false,
  0: false,
  no: false,
};

function boolValue(text: string, flag: string): boolean {
  const word = text.toLowerCase();
  if (!Object.hasOwn(truths, word)) throw new Failure(`${flag} must be true or false, not ${shown(text)}`);
  return truths[word]!;
}

/** Base64, standard or URL-safe, padded or not; or `@file`. */
function bytesValue(text: string, flag: string): string {
  if (text.startsWith('@')) return readText(text.slice(1), flag).toString('base64');
  if (!/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    throw new Failure(`${flag} must be base64, or @file to send a file's content, not ${shown(text)}`);
  }
  return Buffer.from(text, 'base64').toString('base64');
}

function enumValue(values: Readonly<Record<string, number>>, text: string, flag: string): JsonValue {
  if (Object.hasOwn(values, text)) return text;
  const name = Object.keys(values).find((one) => one.toLowerCase() === text.toLowerCase().replaceAll('-', '_'));
  if (name !== undefined) return name;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  const names = Object.keys(values);
  throw new Failure(`${flag} must be one of ${names.join(', ')}, not ${shown(text)}${didYouMean(text, names)}`);
}

function readText(file: string, flag: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Failure(`${flag}: cannot read the file ${file} (${(error as NodeJS.ErrnoException).code ?? 'error'})`, {
      cause: error,
    });
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
}
