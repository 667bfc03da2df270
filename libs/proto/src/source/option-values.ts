import type { Options } from '../descriptor.js';
import type { Lexer } from './lexer.js';

/** A value as written, before it is known which option it is for. */
export type OptionValue =
  | { readonly kind: 'identifier'; readonly text: string; readonly offset: number }
  | { readonly kind: 'number'; readonly text: string; readonly offset: number }
  | { readonly kind: 'string'; readonly bytes: Buffer; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly OptionValue[]; readonly offset: number }
  | { readonly kind: 'message'; readonly fields: readonly OptionField[]; readonly offset: number };

/** A field of a message in text format: `get: "/v1"`, or `[package.extension] { … }`. */
export interface OptionField {
  readonly name: string;
  readonly extension: boolean;
  readonly value: OptionValue;
  readonly offset: number;
}

/** An option still to be interpreted: that needs the types of custom options, which other files may define. */
export interface PendingOption {
  /** Which …Options message it goes to. */
  readonly type: OptionsType;
  readonly owner: { options?: Options };
  /** Full name of what it is in, for names that are relative. */
  readonly scope: string;
  readonly name: readonly { readonly text: string; readonly extension: boolean }[];
  readonly value: OptionValue;
  readonly offset: number;
}

export type OptionsType =
  | 'FileOptions'
  | 'MessageOptions'
  | 'FieldOptions'
  | 'OneofOptions'
  | 'EnumOptions'
  | 'EnumValueOptions'
  | 'ServiceOptions'
  | 'MethodOptions'
  | 'ExtensionRangeOptions';

/** `name = value` of an option, the name in one or more parts: `(my.option).field`, `features.field_presence`. */
export function parseOption(lexer: Lexer, target: Pick<PendingOption, 'type' | 'owner' | 'scope'>): PendingOption {
  const offset = lexer.peek.start;
  const name: { text: string; extension: boolean }[] = [];
  do {
    if (lexer.skip('(')) {
      name.push({ text: typeName(lexer, 'the name of a custom option'), extension: true });
      lexer.expect(')', 'after the name of the custom option');
    } else {
      name.push({ text: lexer.identifier('the name of an option'), extension: false });
    }
  } while (lexer.skip('.'));
  lexer.expect('=', 'after the name of the option');
  return { ...target, name, value: parseValue(lexer, 0), offset };
}

/** `package.Type`, or `.package.Type`. */
export function typeName(lexer: Lexer, what: string): string {
  let name = lexer.skip('.') ? '.' : '';
  name += lexer.identifier(what);
  while (lexer.skip('.')) name += `.${lexer.identifier(what)}`;
  return name;
}

/** Text of a string literal, or of several in a row, which are one. */
export function stringValue(lexer: Lexer, what: string): Buffer {
  if (lexer.peek.kind !== 'string') throw lexer.unexpected(what);
  const parts: Buffer[] = [];
  while (lexer.peek.kind === 'string') {
    const { text, start } = lexer.next();
    parts.push(unescape(lexer, text.slice(1, -1), start));
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Deeper nesting is not a message that anyone wrote. */
const deepest = 100;

function parseValue(lexer: Lexer, depth: number): OptionValue {
  const offset = lexer.peek.start;
  if (depth > deepest) throw lexer.error('values are nested too deeply');
  if (lexer.peek.kind === 'string') return { kind: 'string', bytes: stringValue(lexer, 'a string'), offset };
  if (lexer.skip('{')) return { kind: 'message', fields: parseFields(lexer, '}', depth), offset };
  if (lexer.skip('<')) return { kind: 'message', fields: parseFields(lexer, '>', depth), offset };
  if (depth > 0 && lexer.skip('[')) {
    const items: OptionValue[] = [];
    while (!lexer.skip(']')) {
      items.push(parseValue(lexer, depth + 1));
      if (lexer.peek.text !== ']') lexer.expect(',', 'between the items of the list');
    }
    return { kind: 'list', items, offset };
  }
  const sign = lexer.skip('-') ? '-' : lexer.skip('+') ? '+' : '';
  const { kind, text } = lexer.peek;
  if (kind === 'integer' || kind === 'float' || (sign && /^(inf|infinity|nan)$/i.test(text))) {
    lexer.next();
    return { kind: 'number', text: (sign === '-' ? '-' : '') + text, offset };
  }
  if (kind !== 'identifier' || sign) throw lexer.unexpected('a value');
  lexer.next();
  return { kind: 'identifier', text, offset };
}

function parseFields(lexer: Lexer, close: string, depth: number): OptionField[] {
  const fields: OptionField[] = [];
  while (!lexer.skip(close)) {
    const offset = lexer.peek.start;
    const extension = lexer.skip('[');
    let name = extension ? typeName(lexer, 'the name of an extension') : lexer.identifier('the name of a field');
    if (extension) {
      if (lexer.skip('/')) name += `/${typeName(lexer, 'the name of a message')}`;
      lexer.expect(']', 'after the name of the extension');
    }
    if (!lexer.skip(':') && lexer.peek.text !== '{' && lexer.peek.text !== '<')
      throw lexer.unexpected(`":" after ${name}`);
    fields.push({ name, extension, value: parseValue(lexer, depth + 1), offset });
    if (!lexer.skip(',')) lexer.skip(';');
  }
  return fields;
}

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
  '?': 63,
};
const escape = /\\(?:([abfnrtv\\'"?])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs;

function unescape(lexer: Lexer, text: string, offset: number): Buffer {
  if (!text.includes('\\')) return Buffer.from(text);
  const parts: Buffer[] = [];
  let from = 0;
  for (const match of text.matchAll(escape)) {
    const [all, simple, octal, hex, short, long, wrong] = match;
    parts.push(Buffer.from(text.slice(from, match.index)));
    from = match.index + all.length;
    const point = parseInt(short ?? long ?? '0', 16);
    if (wrong !== undefined || point > 0x10ffff)
      throw lexer.error(`${all} is not an escape of a string`, offset + 1 + match.index);
    if (simple !== undefined) parts.push(Buffer.of(simpleEscapes[simple]!));
    else if (octal !== undefined) parts.push(Buffer.of(parseInt(octal, 8) & 255));
    else if (hex !== undefined) parts.push(Buffer.of(parseInt(hex, 16)));
    else parts.push(Buffer.from(String.fromCodePoint(point)));
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
}
