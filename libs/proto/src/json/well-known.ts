import type { JsonValue } from '../definition.js';
import { describe, Invalid, within } from '../invalid.js';
import type { MessageType } from '../message-type.js';
import { tooDeep } from '../wire/reader.js';
import type { FromJson } from './compile-from-json.js';
import type { ToJson } from './compile-to-json.js';
import { anyJson } from './any.js';
import { durationFromJson, durationToJson, timestampFromJson, timestampToJson } from './time.js';
import { doubleFromJson, stringFromJson } from './scalars.js';

/** A type whose JSON is not an object of its fields (protobuf.dev/programming-guides/json). */
export interface WellKnown {
  readonly toJson: ToJson;
  readonly fromJson: FromJson;
}

/** The special JSON of a type, if it has one. `plain` is what it would be without. */
export function wellKnownJson(type: MessageType, plain: () => WellKnown): WellKnown | undefined {
  switch (type.name) {
    case 'google.protobuf.Any':
      return anyJson(type);
    case 'google.protobuf.Timestamp':
      return { toJson: timestampToJson, fromJson: timestampFromJson };
    case 'google.protobuf.Duration':
      return { toJson: durationToJson, fromJson: durationFromJson };
    case 'google.protobuf.FieldMask':
      return { toJson: fieldMaskToJson, fromJson: fieldMaskFromJson };
    case 'google.protobuf.Struct':
      return { toJson: structToJson, fromJson: structFromJson };
    case 'google.protobuf.ListValue':
      return { toJson: listToJson, fromJson: listFromJson };
    case 'google.protobuf.Value':
      return { toJson: valueToJson, fromJson: valueFromJson };
    default:
      return wrapperTypes.has(type.name) ? wrapperJson(type, plain()) : undefined;
  }
}

/** Whether a type is written as `{"@type": …, "value": …}` in an Any. */
export function hasSpecialJson(type: MessageType): boolean {
  return wrapperTypes.has(type.name) || special.has(type.name);
}

const special = new Set(
  ['Any', 'Timestamp', 'Duration', 'FieldMask', 'Struct', 'ListValue', 'Value', 'Empty'].map(
    (name) => `google.protobuf.${name}`,
  ),
);
const wrapperTypes = new Set(
  ['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    (name) => `google.protobuf.${name}Value`,
  ),
);

function wrapperJson(type: MessageType, plain: WellKnown): WellKnown {
  const wire = type.fields.find(({ name }) => name === 'value')?.wire ?? 'string';
  const absent = wire === 'string' || wire === 'bytes' ? '' : wire === 'bool' ? false : wire.endsWith('64') ? '0' : 0;
  return {
    toJson: (message) => (plain.toJson(message) as { value?: JsonValue }).value ?? absent,
    fromJson: (json, ignore, depth) => {
      if (json === null) throw new Invalid('expected a value, not null');
      try {
        return plain.fromJson({ value: json }, ignore, depth);
      } catch (error) {
        // The path of the reader of the JSON ends at the wrapper.
        throw error instanceof Invalid ? new Invalid(error.problem) : error;
      }
    },
  };
}

function fieldMaskToJson(message: { paths?: readonly string[] }): string {
  return (message.paths ?? [])
    .map((path) => {
      if (/[A-Z]|_(?![a-z])/.test(path))
        throw new Invalid(`${JSON.stringify(path)} cannot be written in camelCase and read back`, 'paths');
      return path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    })
    .join(',');
}

function fieldMaskFromJson(json: unknown): object {
  if (typeof json !== 'string') throw new Invalid(`expected paths separated by commas, not ${describe(json)}`);
  if (json.includes('_')) throw new Invalid(`expected paths in camelCase, not ${describe(json)}`);
  return {
    paths:
      json === '' ? [] : json.split(',').map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  };
}

interface Value {
  readonly nullValue?: number;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: { readonly fields?: Readonly<Record<string, Value>> };
  readonly listValue?: { readonly values?: readonly Value[] };
}

function valueToJson(message: Value): JsonValue {
  if (message.stringValue !== undefined) return stringFromJson(message.stringValue);
  if (message.numberValue !== undefined) {
    if (!Number.isFinite(message.numberValue))
      throw new Invalid(`a google.protobuf.Value cannot be ${message.numberValue} in JSON`);
    return message.numberValue;
  }
  if (message.boolValue !== undefined) return message.boolValue;
  if (message.structValue) return structToJson(message.structValue);
  if (message.listValue) return listToJson(message.listValue);
  if (message.nullValue !== undefined) return null;
  throw new Invalid('a google.protobuf.Value has none of its kinds set: set one, such as nullValue');
}

function structToJson({ fields = {} }: NonNullable<Value['structValue']>): JsonValue {
  const out: Record<string, JsonValue> = {};
  for (const key of Object.keys(fields)) {
    try {
      const value = valueToJson(fields[key]!);
      if (key === '__proto__')
        Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
      else out[key] = value;
    } catch (error) {
      throw within(error, key);
    }
  }
  return out;
}

function listToJson({ values = [] }: NonNullable<Value['listValue']>): JsonValue {
  return values.map((value, index) => {
    try {
      return valueToJson(value);
    } catch (error) {
      throw within(error, index);
    }
  });
}

function valueFromJson(json: unknown, ignore: boolean, depth: number): object {
  if (depth <= 0) throw tooDeep();
  if (json === null) return { nullValue: 0 };
  if (typeof json === 'string') return { stringValue: stringFromJson(json) };
  if (typeof json === 'number' || typeof json === 'bigint') return { numberValue: doubleFromJson(json) };
  if (typeof json === 'boolean') return { boolValue: json };
  if (Array.isArray(json)) return { listValue: listFromJson(json, ignore, depth - 1) };
  if (typeof json === 'object') return { structValue: structFromJson(json, ignore, depth - 1) };
  throw new Invalid(`expected a JSON value, not ${describe(json)}`);
}

function structFromJson(json: unknown, ignore: boolean, depth: number): object {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Invalid(`expected an object, not ${describe(json)}`);
  if (depth <= 0) throw tooDeep();
  const fields = Object.create(null) as Record<string, object>;
  for (const key of Object.keys(json)) {
    try {
      fields[stringFromJson(key)] = valueFromJson((json as Record<string, unknown>)[key], ignore, depth - 1);
    } catch (error) {
      throw within(error, key);
    }
  }
  return { fields };
}

function listFromJson(json: unknown, ignore: boolean, depth: number): object {
  if (!Array.isArray(json)) throw new Invalid(`expected an array, not ${describe(json)}`);
  if (depth <= 0) throw tooDeep();
  const values = json.map((item, index) => {
    try {
      return valueFromJson(item, ignore, depth - 1);
    } catch (error) {
      throw within(error, index);
    }
  });
  return { values };
}
