import {
  fieldType,
  type FieldDescriptor,
  jsonNameOf,
  keyOf,
  label,
  type MessageDescriptor,
  type Options,
  typeNames,
} from '../descriptor.js';
import { integerOf } from './default-value.js';
import type { OptionField, OptionValue, PendingOption } from './option-values.js';
import type { LinkedFile, Pool } from './pool.js';

/** Turns the options of a file, as written, into fields of their …Options messages. Custom options go under `[full.name]`. */
export function interpretOptions(pool: Pool, linked: LinkedFile): void {
  const interpreter = new Interpreter(pool, linked);
  for (const option of linked.pending) interpreter.set(option);
}

class Interpreter {
  readonly #pool: Pool;
  readonly #linked: LinkedFile;
  readonly #done = new Set<string>();
  /** What the option is written in: names of custom options are relative to it. */
  #scope = '';
  /** Numbers the owners of options, to tell one that is set twice. */
  readonly #owners = new Map<object, number>();

  constructor(pool: Pool, linked: LinkedFile) {
    this.#pool = pool;
    this.#linked = linked;
  }

  set({ type, owner, scope, name, value, offset }: PendingOption): void {
    this.#scope = scope;
    let message = `google.protobuf.${type}`;
    let target = (owner.options ??= {});
    let field: FieldDescriptor | undefined;
    const written = name.map(({ text, extension }) => (extension ? `(${text})` : text)).join('.');
    name.forEach((part, index) => {
      const [next, key] = this.#field(message, part, offset);
      field = next;
      if (index === name.length - 1) {
        this.#once(owner, written, next, offset);
        this.#assign(target, key, next, value);
        return;
      }
      if ((next.type !== fieldType.message && next.type !== fieldType.group) || next.label === label.repeated)
        throw this.#linked.error(`option ${written}: ${part.text} has no fields`, offset);
      message = next.typeName!.slice(1);
      target = (target[key] ??= {}) as Options;
    });
    if (field === undefined) throw this.#linked.error(`option ${written} is not known`, offset);
  }

  #once(owner: object, written: string, field: FieldDescriptor, offset: number): void {
    if (field.label === label.repeated) return;
    const id = this.#owners.get(owner) ?? this.#owners.size;
    this.#owners.set(owner, id);
    const key = `${id} ${written}`;
    if (this.#done.has(key)) throw this.#linked.error(`option ${written} is set twice`, offset);
    this.#done.add(key);
  }

  #assign(target: Options, key: string, field: FieldDescriptor, value: OptionValue): void {
    if (field.label !== label.repeated) {
      target[key] = this.#value(field, value);
      return;
    }
    const entry = field.type === fieldType.message ? this.#pool.find(field.typeName!.slice(1)) : undefined;
    if (entry?.kind === 'message' && entry.descriptor.options?.['mapEntry'] === true)
      return this.#mapEntries((target[key] ??= Object.create(null)) as Options, entry.descriptor, { field, value });
    const items = (target[key] ??= []) as unknown[];
    for (const item of value.kind === 'list' ? value.items : [value]) items.push(this.#value(field, item));
  }

  #field(message: string, part: { text: string; extension: boolean }, offset: number): [FieldDescriptor, string] {
    if (part.extension) return this.#extension(message, part.text, offset);
    const symbol = this.#pool.find(message);
    const field =
      symbol?.kind === 'message' ? symbol.descriptor.field.find(({ name }) => name === part.text) : undefined;
    if (field) return [field, keyOf(field.jsonName ?? jsonNameOf(field.name))];
    const short = message.split('.').at(-1)!;
    throw this.#linked.error(
      `there is no option ${part.text} (${short} has none of that name; custom options go in brackets)`,
      offset,
    );
  }

  #extension(message: string, name: string, offset: number): [FieldDescriptor, string] {
    if (name.includes('/'))
      throw this.#linked.error(
        `[${name}]: a google.protobuf.Any in an option is not supported: give type_url and value`,
        offset,
      );
    for (
      let around = name.startsWith('.') ? '' : this.#scope;
      ;
      around = around.slice(0, Math.max(0, around.lastIndexOf('.')))
    ) {
      const fullName = name.startsWith('.') ? name.slice(1) : around ? `${around}.${name}` : name;
      const symbol = this.#pool.symbols.get(fullName);
      if (symbol?.kind === 'extension' && symbol.descriptor.extendee === `.${message}`)
        return [symbol.descriptor, `[${fullName}]`];
      if (around === '') break;
    }
    const hint = name.startsWith('google.api.')
      ? 'import "google/api/annotations.proto"'
      : 'import the file that defines it';
    throw this.#linked.error(`custom option (${name}) is not known: ${hint}, or correct the name`, offset);
  }

  #value(field: FieldDescriptor, value: OptionValue): unknown {
    const wrong = (expected: string) => this.#linked.error(`${field.name}: expected ${expected}`, value.offset);
    switch (field.type) {
      case fieldType.message:
      case fieldType.group:
        if (value.kind !== 'message') throw wrong('{ … }');
        return this.#message(field.typeName!.slice(1), value.fields);
      case fieldType.enum:
        return this.#enumValue(field, value);
      case fieldType.bool:
        if (value.kind !== 'identifier' || !/^(true|false|t|f|True|False)$/.test(value.text))
          throw wrong('true or false');
        return /^t/i.test(value.text);
      case fieldType.string:
        if (value.kind !== 'string') throw wrong('a string, in quotes');
        return value.bytes.toString();
      case fieldType.bytes:
        if (value.kind !== 'string') throw wrong('a string, in quotes');
        return new Uint8Array(value.bytes);
      case fieldType.float:
      case fieldType.double:
        return floatValue(value) ?? fail(wrong('a number'));
      default:
        if (value.kind !== 'number' || !/^-?(0x[0-9a-f]+|[0-9]+)$/i.test(value.text)) throw wrong('an integer');
        return (
          integerValue(typeNames[field.type!]!, integerOf(value.text)) ??
          fail(wrong(`a number that fits ${typeNames[field.type!]}`))
        );
    }
  }

  #enumValue(field: FieldDescriptor, value: OptionValue): number {
    const symbol = this.#pool.find(field.typeName!.slice(1));
    const values = symbol?.kind === 'enum' ? symbol.descriptor.value : [];
    const found =
      value.kind === 'identifier'
        ? values.find(({ name }) => name === value.text)?.number
        : value.kind === 'number'
          ? Number(value.text)
          : undefined;
    if (found === undefined)
      throw this.#linked.error(
        `${field.name}: expected one of ${values.map(({ name }) => name).join(', ')}`,
        value.offset,
      );
    return found;
  }

  #message(message: string, fields: readonly OptionField[]): Options {
    const target: Options = {};
    for (const { name, extension, value, offset } of fields) {
      const [field, key] = this.#field(message, { text: name, extension }, offset);
      this.#assign(target, key, field, value);
    }
    return target;
  }

  #mapEntries(
    map: Options,
    descriptor: MessageDescriptor,
    { field, value }: { field: FieldDescriptor; value: OptionValue },
  ): void {
    const [keyField, valueField] = descriptor.field;
    for (const item of value.kind === 'list' ? value.items : [value]) {
      const entry = this.#value(field, item) as { key?: unknown; value?: unknown };
      map[String(entry.key ?? emptyOf(keyField!))] = entry.value ?? emptyOf(valueField!);
    }
  }
}

/** What a part of a map's entry is that is left out. */
function emptyOf({ type }: FieldDescriptor): unknown {
  if (type === fieldType.message) return {};
  if (type === fieldType.string) return '';
  if (type === fieldType.bytes) return new Uint8Array();
  return type === fieldType.bool ? false : typeNames[type!]!.endsWith('64') ? 0n : 0;
}

function floatValue(value: OptionValue): number | undefined {
  const text = value.kind === 'number' || value.kind === 'identifier' ? value.text.toLowerCase() : '';
  if (/^-?(inf|infinity)$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (text === 'nan' || text === '-nan') return NaN;
  if (value.kind !== 'number') return undefined;
  return /^-?([0-9]+|0x[0-9a-f]+)$/.test(text) ? Number(integerOf(text)) : Number(text);
}

const bits: Readonly<Record<string, readonly [low: bigint, high: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n],
  uint32: [0n, 2n ** 32n],
  int64: [-(2n ** 63n), 2n ** 63n],
  uint64: [0n, 2n ** 64n],
};

function integerValue(type: string, value: bigint): number | bigint | undefined {
  const base = type.replace(/^s?fixed/, (all) => (all === 'sfixed' ? 'int' : 'uint')).replace('sint', 'int');
  const [low, high] = bits[base]!;
  if (value < low || value >= high) return undefined;
  return base.endsWith('64') ? value : Number(value);
}

function fail(error: Error): never {
  throw error;
}
