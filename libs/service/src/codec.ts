import { MicroError } from '@micro/errors';
import type { MessageCodec } from '@micro/proto';

/** A schema of any library that follows standardschema.dev, version 1: zod, valibot, arktype and others. */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/**
 * What values are, beyond their TypeScript type: a message of a .proto, which is kept as protobuf; or what checks a value, which is kept as
 * JSON, when it is written and when it is read: a Standard Schema, or anything with `parse`, which throws.
 */
export type ValueSchema<T> = MessageCodec<T & object> | StandardSchema<T> | { parse(value: unknown): T };

/** Values as they are kept and sent. */
export interface Codec<T> {
  /** MicroError `invalid_argument` for what the schema refuses and what JSON would change. */
  encode(value: T): Uint8Array | Promise<Uint8Array>;
  /** MicroError `data_loss` for bytes that are no such value. */
  decode(bytes: Uint8Array): T | Promise<T>;
}

/** `what`: of what errors speak, `table orders`. Without a schema, JSON of whatever the type says. */
export function codecOf<T>(what: string, schema?: ValueSchema<T>): Codec<T> {
  if (!schema) return { encode: (value) => toJson(what, value), decode: (bytes) => fromJson(what, bytes) as T };
  if ('~standard' in schema) return validated(what, (value) => standard(what, schema, value));
  if ('parse' in schema) return validated(what, (value) => schema.parse(value));
  return {
    encode: (value) => schema.encode(value as never),
    decode: (bytes) => reading(what, () => schema.decode(bytes)),
  };
}

function validated<T>(what: string, check: (value: unknown) => T | Promise<T>): Codec<T> {
  const encode = async (value: T) => {
    try {
      // What the schema reads back may be written: dates.
      return toJson(what, await check(value), { dates: true });
    } catch (error) {
      throw error instanceof MicroError
        ? error
        : new MicroError('invalid_argument', `${what}: ${reasonOf(error)}`, { cause: error });
    }
  };
  return { encode, decode: (bytes) => reading(what, () => check(fromJson(what, bytes))) };
}

async function standard<T>(what: string, schema: StandardSchema<T>, value: unknown): Promise<T> {
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => {
    const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return place === '' ? message : `${place}: ${message}`;
  });
  throw new MicroError('invalid_argument', `${what}: ${issues.join('; ')}`);
}

/** Whatever is wrong with bytes that were there already is no fault of who reads them. */
function reading<T>(what: string, read: () => T | Promise<T>): T | Promise<T> {
  const lost = (error: unknown): never => {
    if (error instanceof MicroError && error.code === 'data_loss') throw error;
    throw new MicroError('data_loss', `${what} holds what it should not: ${reasonOf(error)}`, { cause: error });
  };
  try {
    const value = read();
    return value instanceof Promise ? value.catch(lost) : value;
  } catch (error) {
    return lost(error);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function fromJson(what: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new MicroError('data_loss', `${what} holds what is no JSON: ${reasonOf(error)}`, { cause: error });
  }
}

/** MicroError for whatever would come back as something else, saying where it is. */
function toJson(what: string, value: unknown, allowed: { readonly dates?: boolean } = {}): Uint8Array {
  const problem = problemOf(value, '', allowed.dates ?? false, 0);
  if (problem) throw new MicroError('invalid_argument', `${what}: ${problem}`);
  return encoder.encode(JSON.stringify(value));
}

const deepest = 500;
const instead = 'write it as text, or give a schema of a .proto message, which keeps it';

function problemOf(value: unknown, path: string, dates: boolean, depth: number): string | undefined {
  const it = path === '' ? 'the value' : path.length > 200 ? `${path.slice(1, 200)}…` : path.slice(1);
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `${it} is ${value}, which JSON does not have`;
    case 'bigint':
      return `${it} is a bigint, which JSON does not have: ${instead}`;
    case 'object':
      break;
    default:
      return `${it} is ${value === undefined ? 'undefined' : `a ${typeof value}`}, which JSON does not have`;
  }
  if (value === null) return undefined;
  if (depth > deepest) return `${it} is nested more than ${deepest} deep, or holds itself`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `${it} is bytes, which JSON does not have: ${instead}`;
  if (value instanceof Date)
    return dates && !Number.isNaN(value.getTime())
      ? undefined
      : `${it} is a Date, which would be read as text: write it as text or milliseconds, or give a schema that reads it`;
  if (value instanceof Map || value instanceof Set)
    return `${it} is a ${value.constructor.name}, of which JSON would keep nothing: write an array or an object`;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = problemOf(value[index], `${path}.${index}`, dates, depth + 1);
      if (problem) return problem;
    }
    return undefined;
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return `${it} is a ${(value.constructor as { name?: string } | undefined)?.name ?? 'thing'} with a toJSON of its own, which would be read as something else: write its parts`;
  for (const [key, field] of Object.entries(value)) {
    // A property that is undefined is one that is not there.
    const problem = field === undefined ? undefined : problemOf(field, `${path}.${key}`, dates, depth + 1);
    if (problem) return problem;
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
