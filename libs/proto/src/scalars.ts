import { Invalid, wrong } from './invalid.js';

/** Whether a proto type is a 64-bit integer, which is a bigint here. */
export function is64(type: string): boolean {
  return type.endsWith('64');
}

/** A 64-bit integer from a bigint or an exact number, within its range; `field` is named in the error. */
export function toInt64(value: unknown, field: string | undefined): bigint {
  const big = toBigInt(value, field);
  if (big !== BigInt.asIntN(64, big)) throw new Invalid(`${big} does not fit a signed 64-bit integer`, field);
  return big;
}

export function toUint64(value: unknown, field: string | undefined): bigint {
  const big = toBigInt(value, field);
  if (big !== BigInt.asUintN(64, big)) throw new Invalid(`${big} does not fit an unsigned 64-bit integer`, field);
  return big;
}

function toBigInt(value: unknown, field: string | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  throw field === undefined ? new Invalid('expected a bigint') : wrong(field, 'a bigint', value);
}

/** The key of a map entry from the property name that it is in an object. */
export function keyFromProperty(type: string, name: string, field: string): string | number | bigint | boolean {
  if (type === 'string') return name;
  if (type === 'bool') {
    if (name === 'true' || name === 'false') return name === 'true';
    throw new Invalid(`expected the key true or false, not ${JSON.stringify(name)}`, field);
  }
  if (!/^(0|-?[1-9][0-9]{0,19})$/.test(name))
    throw new Invalid(`expected integers as keys, not ${JSON.stringify(name)}`, field);
  if (is64(type)) return isUnsigned(type) ? toUint64(BigInt(name), field) : toInt64(BigInt(name), field);
  const value = Number(name);
  if (isUnsigned(type) ? value >>> 0 !== value : (value | 0) !== value)
    throw new Invalid(`key ${name} does not fit ${type}`, field);
  return value;
}

export function isUnsigned(type: string): boolean {
  return type === 'uint32' || type === 'uint64' || type === 'fixed32' || type === 'fixed64';
}

/** The condition, in generated code, under which the value of an expression is not of a proto type; empty where a conversion says so. */
export function isNot(type: string, value: string): string {
  switch (type) {
    case 'string':
      return `typeof ${value} !== 'string'`;
    case 'bool':
      return `typeof ${value} !== 'boolean'`;
    case 'bytes':
      return `!(${value} instanceof Uint8Array)`;
    case 'double':
    case 'float':
      return `typeof ${value} !== 'number'`;
    case 'uint32':
    case 'fixed32':
      return `typeof ${value} !== 'number' || ${value} >>> 0 !== ${value}`;
    case 'int32':
    case 'sint32':
    case 'sfixed32':
    case 'enum':
      return `typeof ${value} !== 'number' || (${value} | 0) !== ${value}`;
    case 'message':
    case 'group':
      return `typeof ${value} !== 'object' || ${value} === null`;
    default:
      return '';
  }
}

/** What a proto type takes, in words. */
export function expected(type: string): string {
  switch (type) {
    case 'string':
      return 'a string';
    case 'bool':
      return 'true or false';
    case 'bytes':
      return 'a Uint8Array';
    case 'double':
    case 'float':
      return 'a number';
    case 'enum':
      return 'the number of an enum value';
    case 'uint32':
    case 'fixed32':
      return 'an integer from 0 to 4294967295';
    case 'int32':
    case 'sint32':
    case 'sfixed32':
      return 'an integer from -2147483648 to 2147483647';
    case 'message':
    case 'group':
      return 'an object';
    default:
      return 'a bigint';
  }
}

/** The condition, in generated code, under which a value is not the default of its type, and so is worth sending. */
export function isNotDefault(type: string, value: string): string {
  switch (type) {
    case 'string':
      return `${value} !== ''`;
    case 'bool':
      return `${value} !== false`;
    case 'bytes':
      return `${value}.length !== 0`;
    case 'double':
    case 'float':
      return `(${value} !== 0 || Object.is(${value}, -0))`;
    default:
      return is64(type) ? `${value} !== 0n` : `${value} !== 0`;
  }
}

/** The default of a type, in generated code; `empty` is bound to no bytes. */
export function defaultOf(type: string): string {
  switch (type) {
    case 'string':
      return "''";
    case 'bool':
      return 'false';
    case 'bytes':
      return 'empty';
    default:
      return is64(type) ? '0n' : '0';
  }
}
