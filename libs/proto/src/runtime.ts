/** What the generated files of this lib import; those of users have the same from @micro/service. */
export type { BidiStream, ClientStream, Message, ServerStream, Unary } from './definition.js';
export { lazySchema } from './lazy-schema.js';
export type {
  Any,
  BoolValue,
  BytesValue,
  DoubleValue,
  Duration,
  Empty,
  FieldMask,
  FloatValue,
  Int32Value,
  Int64Value,
  ListValue,
  NullValue,
  StringValue,
  Struct,
  Timestamp,
  UInt32Value,
  UInt64Value,
  Value,
} from './well-known.js';
