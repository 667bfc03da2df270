/** Messages of google/protobuf/descriptor.proto as their codecs give them, as far as they are used here. What only passes through is not named. */

/** Any of the …Options messages; custom options under `[full.name]`. */
export type Options = Record<string, unknown>;

export interface FileDescriptor {
  name: string;
  package?: string;
  dependency: string[];
  publicDependency: number[];
  weakDependency: number[];
  messageType: MessageDescriptor[];
  enumType: EnumDescriptor[];
  service: ServiceDescriptor[];
  extension: FieldDescriptor[];
  options?: Options;
  sourceCodeInfo?: { location: SourceLocation[] };
  syntax?: string;
  edition?: number;
}

export interface MessageDescriptor {
  name: string;
  field: FieldDescriptor[];
  extension: FieldDescriptor[];
  nestedType: MessageDescriptor[];
  enumType: EnumDescriptor[];
  extensionRange: { start: number; end: number; options?: Options }[];
  oneofDecl: { name: string; options?: Options }[];
  options?: Options;
  reservedRange: { start: number; end: number }[];
  reservedName: string[];
}

export interface FieldDescriptor {
  name: string;
  number: number;
  label: number;
  /** Absent until the type name is resolved. */
  type?: number;
  typeName?: string;
  extendee?: string;
  defaultValue?: string;
  oneofIndex?: number;
  jsonName?: string;
  options?: Options;
  proto3Optional?: boolean;
}

export interface EnumDescriptor {
  name: string;
  value: { name: string; number: number; options?: Options }[];
  options?: Options;
  /** Ends are included, unlike those of messages. */
  reservedRange: { start: number; end: number }[];
  reservedName: string[];
}

export interface ServiceDescriptor {
  name: string;
  method: MethodDescriptor[];
  options?: Options;
}

export interface MethodDescriptor {
  name: string;
  inputType: string;
  outputType: string;
  options?: Options;
  clientStreaming?: boolean;
  serverStreaming?: boolean;
}

export interface SourceLocation {
  path: number[];
  span: number[];
  leadingComments?: string;
  trailingComments?: string;
  leadingDetachedComments: string[];
}

/** FieldDescriptorProto.Label */
export const label = { optional: 1, required: 2, repeated: 3 } as const;

/** FieldDescriptorProto.Type, by the keyword of the .proto. */
export const fieldType = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  group: 10,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

/** The keyword of a FieldDescriptorProto.Type. */
export const typeNames: readonly string[] = Object.entries(fieldType).reduce<string[]>((names, [name, number]) => {
  names[number] = name;
  return names;
}, []);

/** google.protobuf.Edition */
export const edition = { proto2: 998, proto3: 999, 2023: 1000 } as const;

/** Highest field number. */
export const maxFieldNumber = 536_870_911;

/** The JSON name that protoc gives a field: underscores go, the letter after them is upper case. */
export function jsonNameOf(name: string): string {
  return name.replace(/_+([^_]?)/g, (_, next: string) => next.toUpperCase());
}

/** The key of a field in messages: its JSON name, with `$` after it if every object has a property of that name, such as `constructor`. */
export function keyOf(jsonName: string): string {
  return jsonName in Object.prototype ? `${jsonName}$` : jsonName;
}
