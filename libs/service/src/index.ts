export { type Code, codes, type ErrorBody, type ErrorDetail, MicroError, type MicroErrorOptions } from '@micro/errors';
export type {
  BidiStream,
  ClientStream,
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
} from '@micro/proto';
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
  lazySchema,
  type LazySchema,
  parseSchema,
  Schema,
  type StringValue,
  type Struct,
  type Timestamp,
  timestampFromDate,
  type UInt32Value,
  type UInt64Value,
  type Value,
} from '@micro/proto';
export {
  type CallContext,
  type CallOptions,
  type ClientOf,
  type Handler,
  type Handlers,
  Metadata,
  type MetadataInit,
  type MetadataValue,
} from '@micro/rpc';
export { Logger, type LogFields } from '@micro/telemetry';
export { call, client, type ClientDefaults } from './client.js';
export { close, logger, type ProcessOptions } from './process-platform.js';
export { implement, type Implementation, serve, type Served, type ServeOptions } from './serve.js';
