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
export { generate, type GenerateOptions } from './generate.js';
export * as registryProto from './gen/registry.js';
export * as runtimeProto from './gen/runtime.js';
export { parseJson } from './json/parse-json.js';
export { parseSchema, Schema, schemaFromDescriptorSet } from './schema.js';
export { dateFromTimestamp, type TimestampLike, timestampFromDate } from './timestamp.js';
