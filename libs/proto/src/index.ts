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
export { parseSchema, Schema, schemaFromDescriptorSet } from './schema.js';
export { dateFromTimestamp, type TimestampLike, timestampFromDate } from './timestamp.js';
