export type {
  BidiStream,
  ClientStream,
  EnumDefinition,
  FieldDefinition,
  HttpRule,
  Idempotency,
  Init,
  JsonValue,
  Message,
  MessageCodec,
  MethodDefinition,
  MethodKind,
  MethodTypes,
  ServerStream,
  ServiceDefinition,
  ServiceSchema,
  Unary,
} from './definition.js';
export { type EndpointRecord, endpointsOf } from './endpoints.js';
export { generate, type GenerateOptions } from './generate/generate.js';
export * as blobProto from './gen/blob.js';
export * as brokerProto from './gen/broker.js';
export * as eventsProto from './gen/events.js';
export * as lockProto from './gen/lock.js';
export * as registryProto from './gen/registry.js';
export * as runtimeProto from './gen/runtime.js';
export * as storeProto from './gen/store.js';
export { parseJson } from './json/parse-json.js';
export { lazySchema, type LazySchema } from './lazy-schema.js';
export { parseSchema, Schema, schemaFromDescriptorSet } from './schema.js';
export { unknownFields } from './field.js';
export {
  type Any,
  type BoolValue,
  type BytesValue,
  dateFromTimestamp,
  type DoubleValue,
  type Duration,
  type Empty,
  type FieldMask,
  type FloatValue,
  type Int32Value,
  type Int64Value,
  type ListValue,
  type NullValue,
  type StringValue,
  type Struct,
  type Timestamp,
  timestampFromDate,
  type UInt32Value,
  type UInt64Value,
  type Value,
} from './well-known.js';
