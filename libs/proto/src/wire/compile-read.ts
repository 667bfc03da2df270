import { Code, literal, property } from '../code.js';
import { type Field, unknownFields } from '../field.js';
import type { MessageType } from '../message-type.js';
import { defaultOf } from '../scalars.js';
import { tagOf, wireTypeOf } from './compile-write.js';
import { type Reader, tooDeep, truncated } from './reader.js';
import { Writer } from './writer.js';

/**
 * Reads a message up to `end`, or up to the tag `stop` that ends a group (0 if it is none). What is read is merged into `into`, if given:
 * a message field that comes twice is one message (protobuf.dev/programming-guides/encoding#last-one-wins). Throws Invalid.
 */
// eslint-disable-next-line max-params -- called once a message: an object of options would cost more than the reading
export type Read = (reader: Reader, end: number, depth: number, stop: number, into?: object) => object;

const empty = new Uint8Array();

/** Compiles the function that reads messages of a type. */
export function compileRead(type: MessageType): Read {
  const code = new Code({ empty, tooDeep, truncated, keep, unknownEnum, memberOf });
  const oneofs = oneofsOf(type);
  code.add('function read(r, end, depth, stop, into) {', 'if (depth <= 0) throw tooDeep();');
  code.add(`const m = into === undefined ? ${initial(type.fields)} : into;`, 'let places, extra, open = stop !== 0;');
  for (const [, { variable, members }] of oneofs)
    code.add(`let ${variable} = into === undefined ? undefined : memberOf(m, ${JSON.stringify(members)});`);
  code.add('loop: while (r.pos < end) {', 'const start = r.pos, tag = r.tag();', 'switch (tag) {');
  for (const field of type.fields) readField(code, field, oneofs.get(field.oneof ?? '')?.variable);
  code.add(
    'default:',
    'if (open && tag === stop) { open = false; break loop; }',
    'places = r.unknown(tag, start, depth, places);',
    '}',
    '}',
  );
  code.add('if (open || (stop === 0 && r.pos !== end)) throw truncated();');
  code.add('if (places !== undefined || extra !== undefined) keep(m, r, places, extra);', 'return m;', '}');
  return code.compile<Read>();
}

/** An empty message, in generated code: fields without presence have their defaults, others are not there. */
export function initial(fields: readonly Field[]): string {
  const parts = fields.flatMap(({ key, wire, map, repeated, presence }) => {
    const value = map ? '{ __proto__: null }' : repeated ? '[]' : presence ? undefined : defaultOf(wire);
    return value === undefined ? [] : [`${literal(key)}: ${value}`];
  });
  return `{ ${parts.join(', ')} }`;
}

function oneofsOf(type: MessageType): Map<string, { variable: string; members: string[] }> {
  const oneofs = new Map<string, { variable: string; members: string[] }>();
  for (const { oneof, key } of type.fields) {
    if (oneof === undefined) continue;
    const known = oneofs.get(oneof);
    if (known) known.members.push(key);
    else oneofs.set(oneof, { variable: `one${oneofs.size}`, members: [key] });
  }
  return oneofs;
}

function readField(code: Code, field: Field, oneof: string | undefined): void {
  const target = `m[${literal(field.key)}]`;
  code.add(`case ${tagOf(field.number, wireTypeOf(field.wire))}: {`);
  if (field.map) {
    readMap(code, field, field.map);
  } else if (field.repeated) {
    code.add(readInto(code, field, { put: (value) => `${target}.push(${value});`, merge: 'undefined' }), 'break;', '}');
    if (/^(string|bytes|message|group)$/.test(field.wire)) return;
    // Packed or not, both are to be understood.
    code.add(
      `case ${tagOf(field.number, 2)}: {`,
      'const stop = r.end(), list = ' + target + ';',
      'while (r.pos < stop) {',
    );
    code.add(
      readInto(code, field, { put: (value) => `list.push(${value});`, merge: 'undefined' }),
      '}',
      'if (r.pos !== stop) throw truncated();',
    );
  } else {
    const merge = property('m', field.key);
    const clear = oneof
      ? `if (${oneof} !== undefined && ${oneof} !== ${literal(field.key)}) delete m[${oneof}]; ${oneof} = ${literal(field.key)};`
      : '';
    code.add(readInto(code, field, { put: (value) => `${clear} ${target} = ${value};`, merge }));
  }
  code.add('break;', '}');
}

function readMap(code: Code, field: Field, { key, value }: NonNullable<Field['map']>): void {
  code.add(
    'const last = r.end();',
    `let k = ${defaultOf(key.wire)}, v${value.message ? '' : ` = ${defaultOf(value.wire)}`}, strange = false;`,
  );
  code.add('while (r.pos < last) {', 'const at = r.tag();', 'switch (at) {');
  code.add(`case ${tagOf(1, wireTypeOf(key.wire))}: k = ${readValue(key)}; break;`);
  const put = value.enum?.closed
    ? `v = r.int32(); strange = !${code.bind(value.enum)}.names.has(v);`
    : readInto(code, value, { put: (one) => `v = ${one};`, merge: 'v' });
  code.add(`case ${tagOf(2, wireTypeOf(value.wire))}: { ${put} break; }`);
  code.add('default: r.skip(at, depth);', '}', '}', 'if (r.pos !== last) throw truncated();');
  if (value.message) code.add(`if (v === undefined) v = ${code.bind(value.message())}.empty();`);
  // An entry whose value a closed enum does not have is kept as it came.
  code.add(`if (strange) (places ??= []).push(start, r.pos);`, `else m[${literal(field.key)}][k] = v;`);
}

/** Reads one value and puts it where it goes. */
function readInto(code: Code, field: Field, { put, merge }: { put: (value: string) => string; merge: string }): string {
  if (field.message) {
    const type = code.bind(field.message());
    if (field.wire === 'group') return put(`${type}.read(r, end, depth - 1, ${tagOf(field.number, 4)}, ${merge})`);
    return put(`${type}.read(r, r.end(), depth - 1, 0, ${merge})`);
  }
  if (!field.enum?.closed) return put(readValue(field));
  const tag = tagOf(field.number, 0);
  return `const e = r.int32(); if (${code.bind(field.enum)}.names.has(e)) { ${put('e')} } else { (extra ??= []).push(unknownEnum(${tag}, e)); }`;
}

function readValue({ wire, utf8 }: Field): string {
  if (wire === 'enum') return 'r.int32()';
  if (wire === 'string') return utf8 ? 'r.string()' : 'r.uncheckedString()';
  return `r.${wire}()`;
}

type Unknowns = Record<typeof unknownFields, Uint8Array[] | undefined>;

/** Keeps what the message has but its type does not, so that it is sent on. */
function keep(
  message: Unknowns,
  reader: Reader,
  places: readonly number[] | undefined,
  extra: readonly Uint8Array[] | undefined,
): void {
  const chunks = (message[unknownFields] ??= []);
  if (places) reader.chunks(places, chunks);
  if (extra) for (const chunk of extra) chunks.push(chunk);
}

/** A value that a closed enum does not have, as the field that it came in. */
function unknownEnum(tag: number, value: number): Uint8Array {
  const writer = new Writer();
  writer.uint32(tag);
  writer.int32(value);
  return writer.finish();
}

/** The member of a oneof that is set. */
function memberOf(message: Readonly<Record<string, unknown>>, members: readonly string[]): string | undefined {
  return members.find((member) => Object.hasOwn(message, member));
}
