import { Code, literal, property } from '../code.js';
import { describe, Invalid, within } from '../invalid.js';
import type { EnumType, Field } from '../field.js';
import type { MessageType } from '../message-type.js';
import { keyFromProperty } from '../scalars.js';
import { initial } from '../wire/compile-read.js';
import { tooDeep } from '../wire/reader.js';
import { int32FromJson, scalarFromJson, stringFromJson } from './scalars.js';

/** Reads a message from JSON; unknown fields, and names that an enum does not have, are refused unless `ignore`. Throws Invalid. */
export type FromJson = (json: unknown, ignore: boolean, depth: number) => object;

/**
 * Compiles the function that reads a type's messages from JSON. It looks for each field by its JSON name and counts what it found; only where
 * that is not all does it look at the keys, for the names of the .proto and for what is unknown.
 */
export function compileFromJson(type: MessageType): FromJson {
  const { fields } = type;
  const rename = renamer(type);
  const code = new Code({
    empty: new Uint8Array(),
    notAnObject,
    notAnArray,
    tooDeep,
    within,
    stringFromJson,
    enumFromJson,
    keyFromProperty,
    rename,
    several,
  });
  code.add(
    'function fromJson(j, ignore, depth) {',
    "if (typeof j !== 'object' || j === null || Array.isArray(j)) throw notAnObject(j);",
  );
  code.add('if (depth <= 0) throw tooDeep();', `const m = ${initial(fields)};`, 'let left = Object.keys(j).length, v;');
  const oneofs = [...new Set(fields.flatMap(({ oneof }) => oneof ?? []))];
  oneofs.forEach((_, index) => code.add(`let set${index};`));
  for (const field of fields) {
    code.add(`v = ${property('j', jsonKey(field))};`, 'if (v !== undefined) {', 'left--;');
    if (!takesNull(field) || field.repeated) code.add('if (v !== null) {');
    const set = field.oneof === undefined ? -1 : oneofs.indexOf(field.oneof);
    if (set >= 0)
      code.add(
        `if (set${set} !== undefined) throw several(${literal(jsonKey(field))}, set${set}); set${set} = ${literal(jsonKey(field))};`,
      );
    readField(code, field);
    if (!takesNull(field) || field.repeated) code.add('}');
    code.add('}');
  }
  return code
    .add('if (left !== 0) return fromJson(rename(j, ignore), ignore, depth);', 'return m;', '}')
    .compile<FromJson>();
}

const jsonKey = ({ extension, key, jsonName }: Field): string => (extension ? key : jsonName);

/** Null is a value of its own only for google.protobuf.Value and NullValue; for all others it is as if the field were not there. */
function takesNull(field: Field): boolean {
  return (
    field.enum?.name === 'google.protobuf.NullValue' ||
    (field.message !== undefined && field.message().name === 'google.protobuf.Value')
  );
}

function readField(code: Code, field: Field): void {
  const name = literal(jsonKey(field)),
    target = `m[${literal(field.key)}]`;
  if (field.map) {
    const { key, value } = field.map;
    code.add('if (typeof v !== "object" || Array.isArray(v)) throw within(notAnObject(v), ' + name + ');');
    code.add(`const to = ${target};`, 'for (const k of Object.keys(v)) {', 'const e = v[k]; let p = k;');
    // Keys of other types may be written in more than one way only if they are not canonical, which is refused.
    code.add(
      key.wire === 'string'
        ? `try { stringFromJson(k); } catch (x) { throw within(x, ${name}); }`
        : `p = keyFromProperty(${literal(key.wire)}, k, ${name});`,
    );
    code.add(readValue(code, value, { value: 'e', path: ['k', name], put: (one) => `to[p] = ${one};` }), '}');
  } else if (field.repeated) {
    code.add(`if (!Array.isArray(v)) throw within(notAnArray(v), ${name});`, `const to = ${target};`);
    code.add('for (let i = 0; i < v.length; i++) {', 'const e = v[i];');
    code.add(readValue(code, field, { value: 'e', path: ['i', name], put: (one) => `to.push(${one});` }), '}');
  } else {
    code.add(readValue(code, field, { value: 'v', path: [name], put: (one) => `${target} = ${one};` }));
  }
}

interface Reading {
  readonly value: string;
  /** From the inside out. */
  readonly path: readonly string[];
  readonly put: (value: string) => string;
}

function readValue(code: Code, field: Field, { value, path, put }: Reading): string {
  const rethrow = `catch (x) { throw ${path.reduce((error, segment) => `within(${error}, ${segment})`, 'x')}; }`;
  if (field.message)
    return `let r; try { r = ${code.bind(field.message())}.jsonIn(${value}, ignore, depth - 1); } ${rethrow} ${put('r')}`;
  if (field.enum)
    return `let r; try { r = enumFromJson(${code.bind(field.enum)}, ${value}, ignore); } ${rethrow} if (r !== undefined) ${put('r')}`;
  const slow = `let r; try { r = ${code.bind(scalarFromJson(field.wire))}(${value}); } ${rethrow} ${put('r')}`;
  const fast = isPlain(field.wire, value);
  return fast ? `if (${fast}) { ${put(value)} } else { ${slow} }` : slow;
}

/** The condition under which JSON is the value itself; everything else takes the way through a function. */
function isPlain(type: string, value: string): string {
  switch (type) {
    case 'bool':
      return `typeof ${value} === 'boolean'`;
    case 'double':
      return `typeof ${value} === 'number' && Number.isFinite(${value})`;
    case 'string':
      return `typeof ${value} === 'string' && ${value}.isWellFormed()`;
    case 'int32':
    case 'sint32':
    case 'sfixed32':
      return `typeof ${value} === 'number' && (${value} | 0) === ${value} && ${value} !== 0`;
    case 'uint32':
    case 'fixed32':
      return `typeof ${value} === 'number' && ${value} >>> 0 === ${value} && ${value} !== 0`;
    default:
      return '';
  }
}

/** The number of an enum value; undefined for a name that is to be ignored. */
function enumFromJson(type: EnumType, json: unknown, ignore: boolean): number | undefined {
  if (typeof json === 'string') {
    if (Object.hasOwn(type.values, json)) return type.values[json]!;
    if (ignore) return undefined;
  } else if (json === null && type.name === 'google.protobuf.NullValue') {
    return 0;
  } else if (typeof json === 'number') {
    return int32FromJson(json);
  }
  const names = Object.keys(type.values);
  throw new Invalid(
    `expected one of ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}, not ${describe(json)}`,
  );
}

/** Gives the keys of an object their JSON names; drops what is unknown, or refuses it. */
function renamer(type: MessageType): (json: Readonly<Record<string, unknown>>, ignore: boolean) => object {
  const names = new Map<string, string>();
  const rename = (json: Readonly<Record<string, unknown>>, ignore: boolean): object => {
    if (names.size === 0) {
      for (const field of type.fields) if (!field.extension) names.set(field.name, field.jsonName);
      for (const field of type.fields) names.set(jsonKey(field), jsonKey(field));
    }
    const renamed: Record<string, unknown> = {};
    for (const key of Object.keys(json)) {
      if (json[key] === undefined) continue;
      const name = names.get(key);
      if (name === undefined) {
        if (ignore) continue;
        throw new Invalid(`${type.name} has no such field${suggestion(key, names)}`, key);
      }
      if (Object.hasOwn(renamed, name)) throw new Invalid(`given twice, as ${key} too`, name);
      renamed[name] = json[key];
    }
    return renamed;
  };
  return rename;
}

function suggestion(key: string, names: ReadonlyMap<string, string>): string {
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const near = [...names.values()].find((name) => plain(name) === plain(key));
  return near === undefined ? '' : `: did you mean ${near}?`;
}

function notAnObject(json: unknown): Invalid {
  return new Invalid(`expected an object, not ${describe(json)}`);
}

function notAnArray(json: unknown): Invalid {
  return new Invalid(`expected an array, not ${describe(json)}`);
}

function several(one: string, other: string): Invalid {
  return new Invalid(`${other} is set too, and only one of the two can be`, one);
}
