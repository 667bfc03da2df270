import { MicroError } from '@micro/errors';
import { type FieldDefinition, type JsonValue, type MessageCodec, parseJson } from '@micro/proto';
import { shown } from './path.js';

const limits = { count: 1000, depth: 32 } as const;

/** Text values under nested names, as query strings, forms and path variables give them. */
interface Values {
  readonly texts: string[];
  readonly children: Map<string, Values>;
}

/** A JSON object whose keys are nothing but data: it has no prototype that a key could reach. */
export type JsonObject = { [key: string]: JsonValue };

/**
 * Collects named texts and turns them into the JSON of a message: `a.b=1` and `a[b]=1` nest, `a=1&a=2`, `a[]=1` and `a[0]=1` repeat. Each
 * value becomes what its field's type asks for. MicroError `invalid_argument` names the parameter that is wrong.
 */
export class NamedValues {
  readonly #root: Values = empty();
  #count = 0;

  get size(): number {
    return this.#count;
  }

  add(name: string, text: string): void {
    if (++this.#count > limits.count)
      throw new MicroError('invalid_argument', `more than ${limits.count} parameters: send a JSON body`);
    const keys = keysOf(name);
    if (keys.length > limits.depth)
      throw new MicroError('invalid_argument', `parameter "${shown(name)}" nests more than ${limits.depth} levels`);
    let at = this.#root;
    for (const key of keys) {
      if (key === '__proto__')
        throw new MicroError('invalid_argument', `parameter "${shown(name)}": __proto__ is not accepted as a name`);
      let next = at.children.get(key);
      if (!next) at.children.set(key, (next = empty()));
      at = next;
    }
    at.texts.push(text);
  }

  /** Adds all of `a=1&b=2`; `+` is a space (WHATWG URL, application/x-www-form-urlencoded). Bytes that are not UTF-8 become U+FFFD. */
  addEncoded(text: string): void {
    // A parser that counts while it reads: URLSearchParams would first make an array of a million pairs.
    let start = 0;
    while (start <= text.length) {
      let end = text.indexOf('&', start);
      if (end === -1) end = text.length;
      if (end > start) {
        const pair = text.slice(start, end);
        const equals = pair.indexOf('=');
        if (equals === -1) this.add(unescaped(pair), '');
        else this.add(unescaped(pair.slice(0, equals)), unescaped(pair.slice(equals + 1)));
      }
      start = end + 1;
    }
  }

  /** The JSON of them all. Without a codec every value stays text. Names that the message does not have are kept, for its service to judge. */
  toJson(codec: MessageCodec | undefined): JsonObject {
    return toObject(this.#root, codec, '');
  }
}

/**
 * `over` laid upon `base`, objects merging at every depth and `over` winning. With a codec, `first_name` in one replaces `firstName` in the
 * other. Neither is changed.
 */
export function merge(base: JsonObject, over: JsonObject, codec?: MessageCodec): JsonObject {
  const result = Object.assign(Object.create(null), base) as JsonObject;
  for (const key of Object.keys(over)) {
    const field = codec && fieldOf(codec, key);
    const known =
      field && !(key in result)
        ? field.jsonName in result
          ? field.jsonName
          : field.name in result
            ? field.name
            : key
        : key;
    const before = result[known];
    const after = over[key] as JsonValue;
    if (known !== key) delete result[known];
    const nested = field && field.mapKey === undefined ? field.message?.() : undefined;
    result[key] = isObject(before) && isObject(after) ? merge(before, after, nested) : after;
  }
  return result;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function empty(): Values {
  return { texts: [], children: new Map() };
}

/** `a.b[c.d][].e` → a, b, c.d, the empty key, e. What is not well formed is a name as it stands. */
function keysOf(name: string): string[] {
  const [, first, rest] = /^([^.[\]]+)((?:\.[^.[\]]+|\[[^[\]]*\])*)$/.exec(name) ?? [];
  if (first === undefined || rest === undefined) return [name];
  return [
    first,
    ...Array.from(
      rest.matchAll(/\.([^.[\]]+)|\[([^[\]]*)\]/g),
      ([, dotted, bracketed]) => (dotted ?? bracketed) as string,
    ),
  ];
}

function unescaped(text: string): string {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return new URLSearchParams(`v=${text}`).get('v') ?? '';
  }
}

function toObject(values: Values, codec: MessageCodec | undefined, at: string): JsonObject {
  const result = Object.create(null) as JsonObject;
  for (const [key, child] of values.children) {
    const field = codec && fieldOf(codec, key);
    const name = at === '' ? key : `${at}.${key}`;
    result[field ? field.jsonName : key] = field ? ofField(child, field, name) : untyped(child, name);
  }
  return result;
}

function ofField(values: Values, field: FieldDefinition, at: string): JsonValue {
  if (field.mapKey !== undefined) {
    const map = Object.create(null) as JsonObject;
    for (const [key, child] of values.children) map[key] = single(child, field, `${at}.${key}`);
    return map;
  }
  if (!field.repeated) return single(values, field, at);
  const texts = values.texts.map((text) => fromText(text, field, at));
  return texts.concat(
    inOrder(values).flatMap((child) =>
      child.children.size > 0 ? [single(child, field, at)] : child.texts.map((text) => fromText(text, field, at)),
    ),
  );
}

function single(values: Values, field: FieldDefinition, at: string): JsonValue {
  const { texts, children } = values;
  if (children.size > 0 && texts.length > 0)
    throw new MicroError('invalid_argument', `parameter "${shown(at)}" has a value and fields of its own`);
  if (children.size > 0) {
    const message = field.message?.();
    if (!message)
      throw new MicroError('invalid_argument', `parameter "${shown(at)}" is of type ${field.type} and has no fields`);
    return schemaless.has(message.name) ? untyped(values, at) : toObject(values, message, at);
  }
  if (texts.length > 1)
    throw new MicroError(
      'invalid_argument',
      `parameter "${shown(at)}" is given ${texts.length} times and is not a list`,
    );
  return fromText(texts[0] ?? '', field, at);
}

/** Elements under numbers come in the order of the numbers, and after those under `[]`. */
function inOrder({ children }: Values): Values[] {
  const index = (key: string) => (/^\d{1,9}$/.test(key) ? Number(key) : -1);
  return [...children].sort(([a], [b]) => index(a) - index(b)).map(([, child]) => child);
}

function untyped(values: Values, at: string): JsonValue {
  const { texts, children } = values;
  if (children.size === 0) return texts.length > 1 ? texts : (texts[0] as string);
  if (texts.length > 0)
    throw new MicroError('invalid_argument', `parameter "${shown(at)}" has a value and fields of its own`);
  if ([...children.keys()].every((key) => /^\d*$/.test(key)))
    return inOrder(values).flatMap((child) => (child.children.size > 0 ? [untyped(child, at)] : child.texts));
  return toObject(values, undefined, at);
}

const schemaless = new Set([
  'google.protobuf.Struct',
  'google.protobuf.Value',
  'google.protobuf.ListValue',
  'google.protobuf.Any',
]);
const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  1: true,
  0: false,
  on: true,
  off: false,
};

/** One text as the JSON that a field takes. 64-bit integers stay text, which is their canonical form. */
function fromText(text: string, field: FieldDefinition, at: string): JsonValue {
  const wrong = (what: string) =>
    new MicroError('invalid_argument', `parameter "${shown(at)}": "${shown(text)}" is not ${what}`);
  switch (field.type) {
    case 'bool':
      if (!Object.hasOwn(booleans, text)) throw wrong('true or false');
      return booleans[text] as boolean;
    case 'float':
    case 'double':
      if (/^(NaN|-?Infinity)$/.test(text)) return text;
      if (!/^-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)) throw wrong('a number');
      return Number(text);
    case 'int64':
    case 'sint64':
    case 'sfixed64':
    case 'uint64':
    case 'fixed64':
      if (!/^-?\d+$/.test(text)) throw wrong('a whole number');
      return text;
    case 'int32':
    case 'sint32':
    case 'sfixed32':
    case 'uint32':
    case 'fixed32':
      if (!/^-?\d+$/.test(text)) throw wrong('a whole number');
      return Number(text);
    case 'enum':
      if (/^-?\d+$/.test(text)) return Number(text);
      if (!field.enum || !Object.hasOwn(field.enum.values, text)) {
        throw wrong(
          `one of ${Object.keys(field.enum?.values ?? {})
            .slice(0, 20)
            .join(', ')}`,
        );
      }
      return text;
    case 'message':
      return messageFromText(text, field, wrong);
    default:
      return text;
  }
}

/** Messages that JSON writes as text or a scalar are given plainly, any other as its JSON. */
function messageFromText(text: string, field: FieldDefinition, wrong: (what: string) => MicroError): JsonValue {
  const { name = '', fields = [] } = field.message?.() ?? {};
  if (/^google\.protobuf\.(Timestamp|Duration|FieldMask)$/.test(name)) return text;
  if (/^google\.protobuf\.\w+Value$/.test(name) && fields.length === 1 && fields[0]?.name === 'value') {
    return fromText(text, fields[0], fields[0].name);
  }
  if (/^\s*[{[]/.test(text)) {
    try {
      return parseJson(text);
    } catch {
      throw wrong('JSON');
    }
  }
  if (name === 'google.protobuf.Value') return text;
  throw wrong(`a ${name}: give its fields one by one, as in ${field.jsonName}.x=1, or its JSON`);
}

function fieldOf(codec: MessageCodec, key: string): FieldDefinition | undefined {
  let names = fieldNames.get(codec);
  if (!names) {
    names = new Map(codec.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]));
    fieldNames.set(codec, names);
  }
  return names.get(key);
}

const fieldNames = new WeakMap<MessageCodec, Map<string, FieldDefinition>>();
