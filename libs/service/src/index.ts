export {
  Broker,
  type BrokerOptions,
  type Consumer,
  type ConsumeOptions,
  type DeadLetter,
  type DeadLetterOptions,
  type Delivery,
  type Event,
  Events,
  type EventsOptions,
  type FollowOptions,
  type Message as BrokerMessage,
  type NewEvent,
  type NewMessage,
  type Position,
  type Published,
  type PublishOptions,
  type ReadOptions as ReadEventsOptions,
  type StreamInfo,
  type SubscribeOptions,
  type Subscription,
} from '@micro/broker';
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
export {
  type BlobInfo,
  type BlobOptions,
  type BlobPage,
  type BlobReading,
  Blobs,
  type Change,
  type Condition,
  type ListBlobsOptions,
  type ListOptions,
  type NewRecord,
  type Page,
  type ReadBlobOptions,
  type SnapshotRecord,
  Store,
  type StoreEvent,
  type StoreRecord,
  type TableOptions,
  type WatchOptions,
  type WriteBlobOptions,
} from '@micro/store';
export { Logger, type LogFields } from '@micro/telemetry';
export { call, client, type ClientDefaults } from './client.js';
export type { StandardResult, StandardSchema, ValueSchema } from './codec.js';
export { broker, events } from './own-broker.js';
export { blobs, store } from './own-store.js';
export { close, logger, open, type ProcessOptions } from './process-platform.js';
export { implement, type Implementation, serve, type Served, type ServeOptions } from './serve.js';
export { type DeadLettersOptions, type Processing, type ProcessEventsOptions, Stream, stream, type TypedDeadLetter, type TypedDelivery, type TypedEvent } from './stream.js';
export { type ListAllOptions, Table, table, type TypedRecord, type TypedStoreEvent, type UpdateOptions, type WriteOptions } from './table.js';
export { Topic, topic, type TypedMessage, type TypedSubscription } from './topic.js';
