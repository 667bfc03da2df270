import type { FieldDefinition, MessageCodec } from '@micro/proto';

/** How the text of a flag is read for the messages of google.protobuf whose JSON is not an object of their fields. */
export type WellKnown =
  'timestamp' | 'duration' | 'fieldMask' | 'struct' | 'value' | 'list' | 'any' | 'empty' | { readonly wraps: string };

const byName: Readonly<Record<string, WellKnown>> = {
  Timestamp: 'timestamp',
  Duration: 'duration',
  FieldMask: 'fieldMask',
  Struct: 'struct',
  Value: 'value',
  ListValue: 'list',
  Any: 'any',
  Empty: 'empty',
  DoubleValue: { wraps: 'double' },
  FloatValue: { wraps: 'float' },
  Int64Value: { wraps: 'int64' },
  UInt64Value: { wraps: 'uint64' },
  Int32Value: { wraps: 'int32' },
  UInt32Value: { wraps: 'uint32' },
  BoolValue: { wraps: 'bool' },
  StringValue: { wraps: 'string' },
  BytesValue: { wraps: 'bytes' },
};

/** Which of them a field is (of a map: its values); undefined for any other field. */
export function wellKnown(field: FieldDefinition): WellKnown | undefined {
  if (field.type !== 'message' || !field.message) return undefined;
  return wellKnownMessage(field.message());
}

/** Which of them a message is; undefined for any other. */
export function wellKnownMessage(message: MessageCodec): WellKnown | undefined {
  const [, name] = /^google\.protobuf\.(\w+)$/.exec(message.name) ?? [];
  return name !== undefined && Object.hasOwn(byName, name) ? byName[name] : undefined;
}

/** Whether a field is a message whose fields can be set one by one. */
export function isPlainMessage(field: FieldDefinition): boolean {
  return field.type === 'message' && wellKnown(field) === undefined;
}

/** Whether a flag of this field may stand without a value, meaning true. */
export function isSwitch(field: FieldDefinition): boolean {
  if (field.repeated || field.mapKey !== undefined) return false;
  const known = wellKnown(field);
  return field.type === 'bool' || (typeof known === 'object' && known.wraps === 'bool');
}
