import { Code, literal, property } from '../code.js';
import type { JsonValue } from '../definition.js';
import { within, wrong } from '../invalid.js';
import type { Field } from '../field.js';
import type { MessageType } from '../message-type.js';
import { expected, is64, isNot, isNotDefault, isUnsigned, toInt64, toUint64 } from '../scalars.js';
import { bytesToJson, doubleToJson, floatToJson } from './scalars.js';

/** A message as JSON. Throws Invalid. */
export type ToJson = (message: object) => JsonValue;

/** Compiles the function that gives the JSON of a type's messages: fields by their JSON names, defaults left out. */
export function compileToJson(type: MessageType): ToJson {
  const code = new Code({ wrong, within, toInt64, toUint64, bytesToJson, doubleToJson, floatToJson, define });
  code.add('function toJson(m) {', 'const o = {};', 'let v;');
  for (const field of type.fields) {
    code.add(`v = ${property('m', field.key)};`, 'if (v !== undefined && v !== null) {');
    addField(code, field);
    code.add('}');
  }
  return code.add('return o;', '}').compile<ToJson>();
}

function addField(code: Code, field: Field): void {
  const name = literal(field.key),
    out = `o[${literal(field.extension ? field.key : field.jsonName)}]`;
  if (field.map) {
    const { key, value } = field.map;
    code.add(`if (typeof v !== 'object' || Array.isArray(v)) throw wrong(${name}, 'an object', v);`);
    code.add(
      'let any = false; const to = {};',
      'for (const k of Object.keys(v)) {',
      'any = true; let e = v[k];',
      ...check(value, 'e', ['k', name]),
    );
    const one = convert(code, value, 'e', ['k', name]);
    code.add(
      `${one.before} ${key.wire === 'string' ? `if (k === '__proto__') define(to, ${one.value}); else ` : ''}to[k] = ${one.value};`,
      '}',
      `if (any) ${out} = to;`,
    );
  } else if (field.repeated) {
    const one = convert(code, field, 'e', ['i', name]);
    code.add(
      `if (!Array.isArray(v)) throw wrong(${name}, 'an array', v);`,
      'const n = v.length;',
      'if (n > 0) {',
      'const to = [];',
    );
    code.add(
      'for (let i = 0; i < n; i++) {',
      'let e = v[i];',
      ...check(field, 'e', ['i', name]),
      `${one.before} to.push(${one.value});`,
      '}',
      `${out} = to;`,
      '}',
    );
  } else {
    const one = convert(code, field, 'v', [name]);
    const set = `${one.before} ${out} = ${one.value};`;
    code.add(...check(field, 'v', [name]), field.presence ? set : `if (${isNotDefault(field.wire, 'v')}) { ${set} }`);
  }
}

/** Refuses a value of the wrong type; the path goes from the inside out. */
function check({ wire }: Field, value: string, [inner, ...outer]: readonly string[]): string[] {
  const wrap = (thrown: string) => outer.reduce((error, segment) => `within(${error}, ${segment})`, thrown);
  if (is64(wire)) {
    const converted = `${value} = to${isUnsigned(wire) ? 'Uint' : 'Int'}64(${value}, ${inner});`;
    return [outer.length === 0 ? converted : `try { ${converted} } catch (x) { throw ${wrap('x')}; }`];
  }
  return [`if (${isNot(wire, value)}) throw ${wrap(`wrong(${inner}, ${literal(expected(wire))}, ${value})`)};`];
}

/** The JSON of a value: statements to run before, and an expression. */
function convert(code: Code, field: Field, value: string, path: readonly string[]): { before: string; value: string } {
  if (field.message) {
    const thrown = path.reduce((error, segment) => `within(${error}, ${segment})`, 'x');
    return {
      before: `let j; try { j = ${code.bind(field.message())}.jsonOut(${value}); } catch (x) { throw ${thrown}; }`,
      value: 'j',
    };
  }
  if (field.enum) {
    if (field.enum.name === 'google.protobuf.NullValue') return { before: '', value: 'null' };
    return { before: '', value: `(${code.bind(field.enum.names)}.get(${value}) ?? ${value})` };
  }
  if (is64(field.wire)) return { before: '', value: `String(${value})` };
  if (/^(bytes|double|float)$/.test(field.wire)) return { before: '', value: `${field.wire}ToJson(${value})` };
  return { before: '', value };
}

/** Sets the one key that an assignment would take for something else. */
function define(target: object, value: JsonValue): void {
  Object.defineProperty(target, '__proto__', { value, enumerable: true, configurable: true, writable: true });
}
