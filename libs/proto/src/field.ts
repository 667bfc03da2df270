import type { EnumDefinition, FieldDefinition } from './definition.js';
import {
  fieldType,
  type FieldDescriptor,
  jsonNameOf,
  keyOf,
  label,
  type MessageDescriptor,
  typeNames,
} from './descriptor.js';
import { type Features, withFeatures } from './features.js';
import type { MessageType } from './message-type.js';

/** Where a message keeps what came in it but its type does not have: encoded fields, sent on as they came. */
export const unknownFields: unique symbol = Symbol('unknown fields');

/** A field with all that its codecs need to know. */
export interface Field extends FieldDefinition {
  /** Key in messages: that of `keyOf`, or `[full.name]` of an extension. */
  readonly key: string;
  /** Proto type: a scalar's name, `message`, `group` or `enum`. Of a map: `message`, its entry. */
  readonly wire: string;
  readonly required: boolean;
  readonly packed: boolean;
  /** Whether strings must be UTF-8. */
  readonly utf8: boolean;
  readonly extension: boolean;
  readonly message?: () => MessageType;
  readonly enum?: EnumType;
  /** Key and value, if it is a map. */
  readonly map?: { readonly key: Field; readonly value: Field };
}

export interface EnumType extends EnumDefinition {
  /** The first name of each number. */
  readonly names: ReadonlyMap<number, string>;
  /** Closed enums (proto2) have no numbers but their own. */
  readonly closed: boolean;
}

/** What a message type needs of the schema that it is in. */
export interface TypeSource {
  readonly name: string;
  readonly comment: string;
  readonly descriptor: MessageDescriptor;
  readonly features: Features;
  /** Extensions of the message, with the features of the files that define them. */
  readonly extensions: readonly {
    readonly descriptor: FieldDescriptor;
    readonly fullName: string;
    readonly features: Features;
  }[];
  readonly message: (fullName: string) => MessageType;
  readonly enum: (fullName: string) => EnumType;
  readonly commentOf: (field: FieldDescriptor) => string;
  /** The type of what is in an Any; undefined if the schema does not know it. */
  readonly anyType: (fullName: string) => MessageType | undefined;
}

/** The fields of a message in the order of the .proto, then its extensions. */
export function linkFields(source: TypeSource): readonly Field[] {
  const { descriptor, features } = source;
  const taken = new Set<string>();
  const own = descriptor.field.map((field) => {
    const jsonName = field.jsonName ?? jsonNameOf(field.name);
    // Only proto2 lets two fields have one JSON name: the second then goes by its own.
    const name = taken.has(jsonName) ? field.name : jsonName;
    taken.add(name);
    return linkField(source, field, { key: keyOf(name), jsonName: name, features });
  });
  const extensions = source.extensions.map((one) => {
    const key = `[${one.fullName}]`;
    return linkField(source, one.descriptor, { key, jsonName: key, features: one.features });
  });
  return [...own, ...extensions];
}

function linkField(
  source: TypeSource,
  field: FieldDescriptor,
  names: { key: string; jsonName: string; features: Features },
): Field {
  const features = withFeatures(names.features, field.options);
  const message =
    field.type === fieldType.message || field.type === fieldType.group
      ? lazy(() => source.message(field.typeName!.slice(1)))
      : undefined;
  const map = field.label === label.repeated && field.type === fieldType.message ? mapOf(source, field) : undefined;
  const repeated = field.label === label.repeated && !map;
  const oneof =
    field.oneofIndex === undefined || field.proto3Optional
      ? undefined
      : source.descriptor.oneofDecl[field.oneofIndex]?.name;
  const explicit =
    field.proto3Optional === true ||
    features.fieldPresence !== 2 ||
    field.oneofIndex !== undefined ||
    field.extendee !== undefined;
  const single = !repeated && !map;
  const wire =
    field.type === fieldType.message && features.messageEncoding === 2 && !map ? 'group' : typeNames[field.type!]!;
  const { key: mapKey, value: mapValue } = map ?? {};
  const type = mapValue?.type ?? (wire === 'group' ? 'message' : wire);
  return {
    name: field.name,
    jsonName: names.jsonName,
    key: names.key,
    number: field.number,
    comment: source.commentOf(field),
    type,
    wire,
    repeated,
    presence: single && (message !== undefined || explicit),
    required:
      field.label === label.required || (features.fieldPresence === 3 && single && field.oneofIndex === undefined),
    packed:
      repeated &&
      packable(wire) &&
      ((field.options?.['packed'] as boolean | undefined) ?? features.repeatedFieldEncoding === 1),
    utf8: features.utf8Validation !== 3,
    extension: field.extendee !== undefined,
    ...(mapKey && mapValue ? { map: { key: mapKey, value: mapValue }, mapKey: mapKey.type } : {}),
    ...(oneof === undefined ? {} : { oneof }),
    ...(mapValue?.message ? { message: mapValue.message } : message && !map ? { message } : {}),
    ...(mapValue?.enum
      ? { enum: mapValue.enum }
      : field.type === fieldType.enum
        ? { enum: source.enum(field.typeName!.slice(1)) }
        : {}),
  };
}

function mapOf(source: TypeSource, field: FieldDescriptor): Field['map'] {
  const entry = source.descriptor.nestedType.find(
    ({ name, options }) => options?.['mapEntry'] === true && field.typeName!.endsWith(`.${name}`),
  );
  const [key, value] = entry?.field ?? [];
  if (!key || !value) return undefined;
  // Both always have a value in an entry, so neither has presence here; and no entry is delimited.
  const features = { ...withFeatures(source.features, field.options), messageEncoding: 1 };
  const part = (one: FieldDescriptor): Field => ({
    ...linkField(source, one, { key: one.name, jsonName: one.name, features }),
    presence: false,
  });
  return { key: part(key), value: part(value) };
}

function packable(type: string): boolean {
  return type !== 'string' && type !== 'bytes' && type !== 'message' && type !== 'group';
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
