import { describe, Invalid } from '../invalid.js';
import { is64, isUnsigned } from '../scalars.js';

const decimal = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const integer = /^-?(?:0|[1-9][0-9]*)$/;

type WellFormed = string & { isWellFormed(): boolean };

/** A string, which in protobuf is UTF-8: half of a surrogate pair is none. */
export function stringFromJson(json: unknown): string {
  if (typeof json !== 'string') throw new Invalid(`expected a string, not ${describe(json)}`);
  if (!(json as WellFormed).isWellFormed())
    throw new Invalid('expected a string of whole characters, found half of a surrogate pair');
  return json;
}

export function boolFromJson(json: unknown): boolean {
  if (typeof json !== 'boolean') throw new Invalid(`expected true or false, not ${describe(json)}`);
  return json;
}

/** A 32-bit integer: a number, or one in a string, in any notation that is whole. */
export function int32FromJson(json: unknown): number {
  const value = wholeFromJson(json);
  if ((value | 0) !== value) throw new Invalid(`${describe(json)} does not fit a signed 32-bit integer`);
  return value | 0;
}

export function uint32FromJson(json: unknown): number {
  const value = wholeFromJson(json);
  if (value >>> 0 !== value) throw new Invalid(`${describe(json)} does not fit an unsigned 32-bit integer`);
  return value >>> 0;
}

function wholeFromJson(json: unknown): number {
  const value =
    typeof json === 'string' && decimal.test(json) ? Number(json) : typeof json === 'bigint' ? Number(json) : json;
  if (typeof value !== 'number') throw new Invalid(`expected a number, not ${describe(json)}`);
  if (!Number.isInteger(value)) throw new Invalid(`expected a whole number, not ${describe(json)}`);
  return value;
}

/** A 64-bit integer: a string, or a number. JSON.parse rounds numbers beyond 2^53, `parseJson` does not. */
export function int64FromJson(json: unknown): bigint {
  const value = bigFromJson(json);
  if (value !== BigInt.asIntN(64, value)) throw new Invalid(`${value} does not fit a signed 64-bit integer`);
  return value;
}

export function uint64FromJson(json: unknown): bigint {
  const value = bigFromJson(json);
  if (value !== BigInt.asUintN(64, value)) throw new Invalid(`${value} does not fit an unsigned 64-bit integer`);
  return value;
}

function bigFromJson(json: unknown): bigint {
  if (typeof json === 'string' && integer.test(json) && json.length <= 21) return BigInt(json);
  return typeof json === 'bigint' ? json : BigInt(wholeFromJson(json));
}

/** A number, one in a string, or the three that JSON has no number for. */
export function doubleFromJson(json: unknown): number {
  if (json === 'NaN') return NaN;
  if (json === 'Infinity') return Infinity;
  if (json === '-Infinity') return -Infinity;
  const value =
    typeof json === 'string' && decimal.test(json) ? Number(json) : typeof json === 'bigint' ? Number(json) : json;
  if (typeof value !== 'number') throw new Invalid(`expected a number, not ${describe(json)}`);
  if (!Number.isFinite(value)) throw new Invalid(`${describe(json)} does not fit a double`);
  return value;
}

export function floatFromJson(json: unknown): number {
  const value = doubleFromJson(json),
    rounded = Math.fround(value);
  if (!Number.isFinite(rounded) && Number.isFinite(value)) throw new Invalid(`${describe(json)} does not fit a float`);
  return rounded;
}

/** Base64, standard or URL-safe, with padding or without. */
export function bytesFromJson(json: unknown): Uint8Array {
  if (typeof json !== 'string') throw new Invalid(`expected bytes in base64, not ${describe(json)}`);
  const digits = json.replace(/={1,2}$/, '');
  if (
    !/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)$/.test(digits) ||
    digits.length % 4 === 1 ||
    (digits.length !== json.length && json.length % 4 !== 0)
  ) {
    throw new Invalid(`expected bytes in base64, not ${describe(json)}`);
  }
  return new Uint8Array(Buffer.from(digits, 'base64'));
}

const base64Slice = (Buffer.prototype as unknown as { base64Slice(start: number, end: number): string }).base64Slice;

export function bytesToJson(value: Uint8Array): string {
  return base64Slice.call(value, 0, value.length);
}

export function doubleToJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** The shortest number that is this float: 0.1, not 0.10000000149011612. */
export function floatToJson(value: number): number | string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return doubleToJson(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return Number(value.toPrecision(9));
}

/** Reads the JSON of a scalar type; also keys of maps, which are strings. */
export function scalarFromJson(type: string): (json: unknown) => unknown {
  switch (type) {
    case 'string':
      return stringFromJson;
    case 'bool':
      return boolFromJson;
    case 'bytes':
      return bytesFromJson;
    case 'double':
      return doubleFromJson;
    case 'float':
      return floatFromJson;
    default:
      return is64(type)
        ? isUnsigned(type)
          ? uint64FromJson
          : int64FromJson
        : isUnsigned(type)
          ? uint32FromJson
          : int32FromJson;
  }
}
