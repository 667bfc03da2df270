import { Code, literal, property } from '../code.js';
import { Invalid, within, wrong } from '../invalid.js';
import { type Field, unknownFields } from '../field.js';
import type { MessageType } from '../message-type.js';
import { expected, is64, isNot, isNotDefault, isUnsigned, keyFromProperty, toInt64, toUint64 } from '../scalars.js';
import type { Writer } from './writer.js';

/** Writes a message without its length. Throws Invalid. */
export type Write = (message: object, writer: Writer) => void;

const wireTypes: Readonly<Record<string, number>> = {
  double: 1,
  fixed64: 1,
  sfixed64: 1,
  string: 2,
  bytes: 2,
  message: 2,
  group: 3,
  float: 5,
  fixed32: 5,
  sfixed32: 5,
};

/** Wire type of a proto type, where it is not packed. */
export function wireTypeOf(type: string): number {
  return wireTypes[type] ?? 0;
}

export function tagOf(number: number, wireType: number): number {
  return ((number << 3) | wireType) >>> 0;
}

/** Compiles the function that writes messages of a type. */
export function compileWrite(type: MessageType): Write {
  const code = new Code({ wrong, within, several, toInt64, toUint64, keyFromProperty, unknownFields });
  const oneofs = [...new Set(type.fields.flatMap(({ oneof }) => oneof ?? []))];
  code.add('function write(m, w) {', 'let v, at;', ...oneofs.map((_, index) => `let set${index};`));
  for (const field of type.fields) {
    code.add(`v = ${property('m', field.key)};`, 'if (v !== undefined && v !== null) {');
    const set = field.oneof === undefined ? '' : `set${oneofs.indexOf(field.oneof)}`;
    if (set)
      code.add(
        `if (${set} !== undefined) throw several(${literal(field.key)}, ${set}); ${set} = ${literal(field.key)};`,
      );
    writeField(code, field);
    code.add('}');
  }
  code.add('v = m[unknownFields];', 'if (v !== undefined) for (let i = 0; i < v.length; i++) w.raw(v[i]);', '}');
  return code.compile<Write>();
}

function writeField(code: Code, field: Field): void {
  const name = literal(field.key);
  if (field.map) {
    writeMap(code, field, field.map);
  } else if (field.repeated) {
    code.add(`if (!Array.isArray(v)) throw wrong(${name}, 'an array', v);`);
    if (field.packed) {
      code.add('if (v.length > 0) {', `w.uint32(${tagOf(field.number, 2)}); at = w.open();`);
      code.add(
        'for (let i = 0; i < v.length; i++) {',
        'let e = v[i];',
        ...check(field.wire, 'e', `i, ${name}`),
        writeValue(field.wire, 'e'),
        '}',
      );
      code.add('w.close(at);', '}');
    } else {
      code.add('for (let i = 0; i < v.length; i++) {', 'let e = v[i];', ...check(field.wire, 'e', `i, ${name}`));
      writeTagged(code, field, { value: 'e', path: ['i', name] });
      code.add('}');
    }
  } else {
    code.add(...check(field.wire, 'v', name));
    if (!field.presence) code.add(`if (${isNotDefault(field.wire, 'v')}) {`);
    writeTagged(code, field, { value: 'v', path: [name] });
    if (!field.presence) code.add('}');
  }
}

function writeMap(code: Code, field: Field, { key, value }: NonNullable<Field['map']>): void {
  const name = literal(field.key);
  code.add(`if (typeof v !== 'object' || Array.isArray(v)) throw wrong(${name}, 'an object', v);`);
  code.add('for (const k of Object.keys(v)) {', 'let e = v[k];', ...check(value.wire, 'e', `k, ${name}`));
  code.add(`w.uint32(${tagOf(field.number, 2)}); const entry = w.open();`);
  code.add(`const p = ${key.wire === 'string' ? 'k' : `keyFromProperty(${literal(key.wire)}, k, ${name})`};`);
  writeTagged(code, key, { value: 'p', path: [] });
  writeTagged(code, value, { value: 'e', path: ['k', name] });
  code.add('w.close(entry);', '}');
}

/** Refuses, or converts, a value; the path is given from the inside out. */
function check(type: string, value: string, path: string): string[] {
  const [inner, outer] = path.split(', ') as [string, string?];
  const wrap = (thrown: string) => (outer === undefined ? thrown : `within(${thrown}, ${outer})`);
  if (is64(type)) {
    const convert = `to${isUnsigned(type) ? 'Uint' : 'Int'}64(${value}, ${inner})`;
    return [
      outer === undefined
        ? `${value} = ${convert};`
        : `try { ${value} = ${convert}; } catch (x) { throw ${wrap('x')}; }`,
    ];
  }
  return [`if (${isNot(type, value)}) throw ${wrap(`wrong(${inner}, ${literal(expected(type))}, ${value})`)};`];
}

function writeTagged(code: Code, field: Field, { value, path }: { value: string; path: readonly string[] }): void {
  code.add(`w.uint32(${tagOf(field.number, wireTypeOf(field.wire))});`);
  if (!field.message) {
    code.add(writeValue(field.wire, value));
    return;
  }
  const thrown = path.reduce((error, segment) => `within(${error}, ${segment})`, 'x');
  const nested = `try { ${code.bind(field.message())}.write(${value}, w); } catch (x) { throw ${thrown}; }`;
  if (field.wire === 'group') code.add(nested, `w.uint32(${tagOf(field.number, 4)});`);
  else code.add('{', 'const start = w.open();', nested, 'w.close(start);', '}');
}

function writeValue(type: string, value: string): string {
  switch (type) {
    case 'enum':
      return `w.int32(${value});`;
    case 'uint64':
      return `w.int64(${value});`;
    case 'sfixed32':
      return `w.fixed32(${value});`;
    case 'sfixed64':
      return `w.fixed64(${value});`;
    default:
      return `w.${type}(${value});`;
  }
}

function several(one: string, other: string): Invalid {
  return new Invalid(`${other} is set too, and only one of the two can be`, one);
}
