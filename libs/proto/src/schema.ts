import { MicroError } from '@micro/errors';
import protobuf from 'protobufjs';
import type {
  FieldDefinition, HttpRule, Init, JsonValue, Message, MessageCodec, MethodDefinition, MethodKind, MethodTypes, ServiceDefinition, ServiceSchema,
} from './definition.js';

type Doc = Record<string, unknown>;
const wrappers = new Set(['DoubleValue', 'FloatValue', 'Int64Value', 'UInt64Value', 'Int32Value', 'UInt32Value', 'BoolValue', 'StringValue', 'BytesValue']);

/** Services and messages of a set of .proto files. */
export class Schema implements ServiceSchema {
  readonly services: ReadonlyMap<string, ServiceDefinition>;
  readonly #root: protobuf.Root;
  readonly #codecs = new Map<string, MessageCodec>();
  readonly #methods = new Map<string, MethodDefinition>();

  constructor(root: protobuf.Root) {
    this.#root = root;
    const services = new Map<string, ServiceDefinition>();
    const visit = (ns: protobuf.NamespaceBase): void => {
      for (const nested of ns.nestedArray) {
        if (nested instanceof protobuf.Service) services.set(nested.fullName.slice(1), this.#service(nested));
        else if (nested instanceof protobuf.Namespace) visit(nested);
      }
    };
    visit(root);
    this.services = services;
  }

  /** A service by its full name. Throws MicroError `not_found`. */
  service<M extends MethodTypes = MethodTypes>(fullName: string): ServiceDefinition<M> {
    const service = this.services.get(fullName);
    if (!service) throw new MicroError('not_found', `service ${fullName} is not in the schema: it has ${[...this.services.keys()].join(', ') || 'no services'}`);
    return service as unknown as ServiceDefinition<M>;
  }

  /** The codec of a message by its full name. Throws MicroError `not_found`. */
  message(fullName: string): MessageCodec {
    let codec = this.#codecs.get(fullName);
    if (codec) return codec;
    let type: protobuf.Type;
    try {
      type = this.#root.lookupType(fullName);
    } catch {
      throw new MicroError('not_found', `message ${fullName} is not in the schema`);
    }
    codec = new Codec(type, (name) => this.message(name));
    this.#codecs.set(fullName, codec);
    return codec;
  }

  /** A method by its path, `/package.Service/Method`. */
  method(path: string): MethodDefinition | undefined {
    return this.#methods.get(path);
  }

  files(): ReadonlyMap<string, Uint8Array> {
    return new Map();
  }

  fileOf(_symbol: string): string | undefined {
    return undefined;
  }

  descriptorSet(): Uint8Array {
    return new Uint8Array();
  }

  #service(from: protobuf.Service): ServiceDefinition {
    const name = from.fullName.slice(1);
    const methods: MethodDefinition[] = [];
    const service: ServiceDefinition = {
      name, shortName: from.name, package: name.slice(0, Math.max(0, name.length - from.name.length - 1)), comment: from.comment ?? '', methods, schema: this,
    };
    for (const method of from.methodsArray) {
      const definition = this.#method(method, service);
      methods.push(definition);
      this.#methods.set(definition.path, definition);
    }
    return service;
  }

  #method(from: protobuf.Method, service: ServiceDefinition): MethodDefinition {
    const root = this.#root, schema = this;
    const kind: MethodKind = from.requestStream ? (from.responseStream ? 'bidiStream' : 'clientStream') : from.responseStream ? 'serverStream' : 'unary';
    const level = from.options?.['idempotency_level'];
    return {
      name: from.name,
      localName: from.name[0]!.toLowerCase() + from.name.slice(1),
      path: `/${service.name}/${from.name}`,
      kind,
      idempotency: level === 'NO_SIDE_EFFECTS' ? 'noSideEffects' : level === 'IDEMPOTENT' ? 'idempotent' : 'unknown',
      comment: from.comment ?? '',
      http: httpRules(from),
      get input() { return schema.message((from.parent as protobuf.Service).lookupType(from.requestType).fullName.slice(1)); },
      get output() { return schema.message((from.parent as protobuf.Service ?? root).lookupType(from.responseType).fullName.slice(1)); },
      service,
    };
  }
}

function httpRules(method: protobuf.Method): HttpRule[] {
  const rule = ((method.parsedOptions ?? []) as Doc[]).find((option) => '(google.api.http)' in option)?.['(google.api.http)'] as Doc | undefined;
  const rules: HttpRule[] = [];
  for (const one of rule ? [rule, ...[(rule['additional_bindings'] as Doc[] | Doc | undefined) ?? []].flat()] : []) {
    for (const verb of ['get', 'put', 'post', 'delete', 'patch']) {
      if (typeof one[verb] === 'string') {
        rules.push({ method: verb.toUpperCase(), path: one[verb], body: (one['body'] as string) ?? '', responseBody: (one['response_body'] as string) ?? '' });
      }
    }
  }
  return rules;
}

class Codec implements MessageCodec<Message> {
  readonly name: string;
  readonly comment: string;
  readonly #type: protobuf.Type;
  readonly #find: (name: string) => MessageCodec;
  #fields: FieldDefinition[] | undefined;

  constructor(type: protobuf.Type, find: (name: string) => MessageCodec) {
    this.#type = type;
    this.#find = find;
    this.name = type.fullName.slice(1);
    this.comment = type.comment ?? '';
  }

  get fields(): readonly FieldDefinition[] {
    return (this.#fields ??= this.#type.fieldsArray.map((field) => this.#field(field)));
  }

  encode(message: Init<Message>): Uint8Array {
    try {
      return this.#type.encode(toWire(this.#type, message as Doc)).finish();
    } catch (error) {
      throw asInvalid(error, this.name);
    }
  }

  decode(bytes: Uint8Array): Message {
    try {
      return fromWire(this.#type, this.#type.decode(bytes) as unknown as Doc);
    } catch (error) {
      throw asInvalid(error, this.name);
    }
  }

  toJson(message: Init<Message>): JsonValue {
    return toJson(this.#type, message as Doc);
  }

  fromJson(json: JsonValue, options: { readonly ignoreUnknownFields?: boolean } = {}): Message {
    return fromJson(this.#type, json, '', options.ignoreUnknownFields === true) as Message;
  }

  #field(field: protobuf.Field): FieldDefinition {
    field.resolve();
    const { resolvedType } = field;
    const message = resolvedType instanceof protobuf.Type ? resolvedType : undefined;
    const values = resolvedType instanceof protobuf.Enum ? resolvedType : undefined;
    return {
      name: protoName(field),
      jsonName: field.name,
      number: field.id,
      comment: field.comment ?? '',
      type: message ? 'message' : values ? 'enum' : field.type,
      repeated: field.repeated,
      ...(field instanceof protobuf.MapField ? { mapKey: field.keyType } : {}),
      ...(realOneof(field) ? { oneof: field.partOf!.name } : {}),
      presence: hasPresence(field),
      ...(message ? { message: () => this.#find(message.fullName.slice(1)) } : {}),
      ...(values ? { enum: { name: values.fullName.slice(1), values: values.values } } : {}),
    };
  }
}

const originalNames = new WeakMap<protobuf.Field, string>();
const protoName = (field: protobuf.Field) => originalNames.get(field) ?? field.name;

function realOneof(field: protobuf.Field): boolean {
  return !!field.partOf && !(field.options?.['proto3_optional'] === true);
}

function hasPresence(field: protobuf.Field): boolean {
  field.resolve();
  return !field.repeated && !field.map && (!!field.partOf || field.resolvedType instanceof protobuf.Type || field.options?.['proto3_optional'] === true);
}

const longOf = (text: string, unsigned: boolean) => (protobuf.util.Long as unknown as { fromString(text: string, unsigned: boolean): unknown }).fromString(text, unsigned);
const is64 = (type: string) => /64$/.test(type);

function each(field: protobuf.Field, value: unknown, convert: (one: unknown) => unknown): unknown {
  if (field.map) {
    const out = Object.create(null) as Doc;
    for (const [key, one] of Object.entries(value as Doc)) out[key] = convert(one);
    return out;
  }
  return field.repeated ? (value as unknown[]).map(convert) : convert(value);
}

function toWire(type: protobuf.Type, message: Doc): protobuf.Message {
  const out: Doc = {};
  for (const field of type.fieldsArray) {
    field.resolve();
    const value = message[field.name];
    if (value == null) continue;
    if (!hasPresence(field) && !field.repeated && !field.map && (value === field.typeDefault || value === 0n || (value as Uint8Array).length === 0)) continue;
    out[field.name] = each(field, value, (one) => {
      if (field.resolvedType instanceof protobuf.Type) return toWire(field.resolvedType, one as Doc);
      if (is64(field.type)) return longOf(String(one), field.type.startsWith('u') || field.type === 'fixed64');
      if (field.type === 'string' && typeof one !== 'string') throw new MicroError('invalid_argument', `${field.name}: expected a string`);
      return one;
    });
  }
  return type.create(out);
}

function fromWire(type: protobuf.Type, message: Doc): Doc {
  const out: Doc = {};
  for (const field of type.fieldsArray) {
    field.resolve();
    const set = Object.hasOwn(message, field.name);
    if (!set && hasPresence(field)) continue;
    if (!set) {
      out[field.name] = field.map ? Object.create(null) : field.repeated ? [] : is64(field.type) ? 0n : field.type === 'bytes' ? new Uint8Array() : field.typeDefault;
      continue;
    }
    out[field.name] = each(field, message[field.name], (one) => {
      if (field.resolvedType instanceof protobuf.Type) return fromWire(field.resolvedType, one as Doc);
      return is64(field.type) ? BigInt(String(one)) : field.type === 'bytes' ? Uint8Array.from(one as Uint8Array) : one;
    });
  }
  return out;
}

function toJson(type: protobuf.Type, message: Doc): JsonValue {
  const full = type.fullName.slice(1);
  const short = full.startsWith('google.protobuf.') ? full.slice(16) : '';
  if (short === 'Timestamp') {
    const { seconds = 0n, nanos = 0 } = message as { seconds?: bigint; nanos?: number };
    const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
    return `${base}${fraction(nanos)}Z`;
  }
  if (short === 'Duration') {
    const { seconds = 0n, nanos = 0 } = message as { seconds?: bigint; nanos?: number };
    return `${seconds < 0n || nanos < 0 ? '-' : ''}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
  }
  if (short === 'Struct') return Object.fromEntries(Object.entries((message['fields'] ?? {}) as Doc).map(([key, one]) => [key, toJson(type.root.lookupType('google.protobuf.Value'), one as Doc)]));
  if (short === 'ListValue') return ((message['values'] ?? []) as Doc[]).map((one) => toJson(type.root.lookupType('google.protobuf.Value'), one));
  if (short === 'Value') {
    const [kind, value] = Object.entries(message).find(([, one]) => one !== undefined) ?? ['nullValue', null];
    if (kind === 'nullValue') return null;
    return kind === 'structValue' || kind === 'listValue' ? toJson(type.root.lookupType(kind === 'structValue' ? 'google.protobuf.Struct' : 'google.protobuf.ListValue'), value as Doc) : (value as JsonValue);
  }
  if (wrappers.has(short)) {
    const field = type.fields['value']!;
    return scalarToJson(field, message['value'] ?? (is64(field.type) ? 0n : field.type === 'bytes' ? new Uint8Array() : field.resolve().typeDefault));
  }
  const out: Record<string, JsonValue> = {};
  for (const field of type.fieldsArray) {
    field.resolve();
    const value = message[field.name];
    if (value === undefined || value === null) continue;
    if (!hasPresence(field)) {
      if (field.map ? Object.keys(value).length === 0 : value === field.typeDefault || value === 0n || (value as unknown[]).length === 0) continue;
    }
    out[field.name] = each(field, value, (one) => scalarToJson(field, one)) as JsonValue;
  }
  return out;
}

const fraction = (nanos: number) => (nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/(000){1,2}$/, '')}`);

function scalarToJson(field: protobuf.Field, value: unknown): JsonValue {
  if (field.resolvedType instanceof protobuf.Type) return toJson(field.resolvedType, value as Doc);
  if (field.resolvedType instanceof protobuf.Enum) return field.resolvedType.valuesById[value as number] ?? (value as number);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : (value as JsonValue);
}

function fromJson(type: protobuf.Type, json: JsonValue, path: string, ignore: boolean): Doc {
  const full = type.fullName.slice(1);
  const short = full.startsWith('google.protobuf.') ? full.slice(16) : '';
  if (short === 'Timestamp') {
    const ms = Date.parse(String(json));
    if (Number.isNaN(ms)) throw invalid(path, 'expected a timestamp such as 2026-01-31T12:00:00Z');
    return { seconds: BigInt(Math.floor(ms / 1000)), nanos: Number((/\.(\d{1,9})/.exec(String(json))?.[1] ?? '').padEnd(9, '0')) };
  }
  if (short === 'Duration') {
    const match = /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(String(json));
    if (!match) throw invalid(path, 'expected a duration such as 1.5s');
    const sign = match[1] ? -1 : 1;
    return { seconds: BigInt(sign) * BigInt(match[2]!), nanos: sign * Number((match[3] ?? '').padEnd(9, '0')) };
  }
  const value = type.root.lookup('google.protobuf.Value') as protobuf.Type;
  if (short === 'Value') {
    if (json === null) return { nullValue: 0 };
    if (Array.isArray(json)) return { listValue: { values: json.map((one) => fromJson(value, one, path, ignore)) } };
    if (typeof json === 'object') return { structValue: fromJson(type.root.lookupType('google.protobuf.Struct'), json, path, ignore) };
    return { [`${typeof json === 'boolean' ? 'bool' : typeof json}Value`]: json };
  }
  if (short === 'ListValue') return { values: (json as JsonValue[]).map((one) => fromJson(value, one, path, ignore)) };
  if (short === 'Struct') {
    const fields = Object.create(null) as Doc;
    for (const [key, one] of Object.entries(json as object)) fields[key] = fromJson(value, one as JsonValue, path, ignore);
    return { fields };
  }
  if (wrappers.has(short)) return { value: scalarFromJson(type.fields['value']!, json, path, ignore) };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(path, 'expected an object');
  const out = fromWire(type, {});
  for (const [key, given] of Object.entries(json)) {
    const field = type.fieldsArray.find((one) => one.name === key || protoName(one) === key);
    const at = path ? `${path}.${key}` : key;
    if (!field) {
      if (ignore) continue;
      throw invalid(at, `${full} has no such field`);
    }
    field.resolve();
    if (given === null && field.resolvedType?.fullName !== '.google.protobuf.Value') continue;
    if (field.map) {
      const map = Object.create(null) as Doc;
      for (const [one, item] of Object.entries(given as object)) map[one] = scalarFromJson(field, item as JsonValue, `${at}.${one}`, ignore);
      out[field.name] = map;
    } else if (field.repeated) {
      if (!Array.isArray(given)) throw invalid(at, 'expected an array');
      out[field.name] = given.map((one, index) => scalarFromJson(field, one, `${at}[${index}]`, ignore));
    } else {
      out[field.name] = scalarFromJson(field, given, at, ignore);
    }
  }
  return out;
}

function scalarFromJson(field: protobuf.Field, json: JsonValue, path: string, ignore: boolean): unknown {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return fromJson(resolvedType, json, path, ignore);
  if (resolvedType instanceof protobuf.Enum) {
    const value = typeof json === 'number' ? json : resolvedType.values[String(json)];
    if (value === undefined) throw invalid(path, `expected one of ${Object.keys(resolvedType.values).join(', ')}`);
    return value;
  }
  switch (field.type) {
    case 'string':
      if (typeof json !== 'string') throw invalid(path, 'expected a string');
      return json;
    case 'bool':
      if (typeof json !== 'boolean') throw invalid(path, 'expected true or false');
      return json;
    case 'bytes':
      if (typeof json !== 'string') throw invalid(path, 'expected base64');
      return new Uint8Array(Buffer.from(json, 'base64'));
    default: {
      if (is64(field.type)) {
        try {
          return BigInt(json as string);
        } catch {
          throw invalid(path, 'expected an integer');
        }
      }
      const value = typeof json === 'string' && json.trim() !== '' ? Number(json) : json;
      if (typeof value !== 'number' || (Number.isNaN(value) && json !== 'NaN')) throw invalid(path, 'expected a number');
      return value;
    }
  }
}

const invalid = (path: string, problem: string) => new MicroError('invalid_argument', path ? `${path}: ${problem}` : problem);

function asInvalid(error: unknown, name: string): MicroError {
  return error instanceof MicroError ? error : new MicroError('invalid_argument', `not a valid ${name}: ${(error as Error).message}`, { cause: error });
}

/** The schema of .proto sources, by the file names that they import each other by. Throws MicroError `invalid_argument` naming file and line. */
export function parseSchema(files: Readonly<Record<string, string>>): Schema {
  const root = new protobuf.Root();
  for (const [name, common] of Object.entries((protobuf as unknown as { common: { (name: string): unknown } & Record<string, { nested: protobuf.INamespace['nested'] }> }).common)) {
    if (name.startsWith('google/protobuf/')) root.addJSON(common.nested!);
  }
  for (const [name, source] of Object.entries(files)) {
    try {
      (protobuf.parse as unknown as { filename: string }).filename = name;
      protobuf.parse(source, root, { keepCase: true, alternateCommentMode: true });
    } catch (error) {
      throw new MicroError('invalid_argument', `${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  camelCaseFields(root);
  try {
    root.resolveAll();
  } catch (error) {
    throw new MicroError('invalid_argument', (error as Error).message, { cause: error });
  }
  return new Schema(root);
}

function camelCaseFields(ns: protobuf.NamespaceBase): void {
  for (const nested of ns.nestedArray) {
    if (nested instanceof protobuf.Type) {
      for (const field of [...nested.fieldsArray]) {
        const name = (field.options?.['json_name'] as string | undefined) ?? field.name.replace(/_+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase());
        if (name === field.name) continue;
        originalNames.set(field, field.name);
        const oneof = field.partOf;
        nested.remove(field);
        field.name = name;
        nested.add(field);
        if (oneof) oneof.add(field);
      }
    }
    if (nested instanceof protobuf.Namespace) camelCaseFields(nested);
  }
}

export function schemaFromDescriptorSet(_bytes: Uint8Array): Schema {
  throw new MicroError('unimplemented', 'schemas cannot be read from descriptors yet');
}
