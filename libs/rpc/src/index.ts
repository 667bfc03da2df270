export { type CallScope, currentCall, inTurns, outsideCalls, runInScope } from './call-scope.js';
export { type Discovery, fixedTargets, type Route, type Target } from './discovery.js';
export type { CallContext, Handler, Handlers } from './handler.js';
export { Metadata, type MetadataInit, type MetadataValue } from './metadata.js';
export { type CallLimits, type Interceptor } from './server/call.js';
export { decompress, encodings } from './server/compression.js';
export { type HttpRoute } from './server/connect-lane.js';
export { type Http2Route } from './server/http2-lane.js';
export { type Http2Stream, type StreamListener } from './http2/stream.js';
export { encodeFrame, encodeStatusMessage, type Frame, FrameReader } from './grpc-frames.js';
export { encodeStatus, parseTimeout } from './server/grpc-wire.js';
export { type CloseOptions, defaultLimits, RpcServer, type RpcServerOptions } from './server/server.js';
export { errorOf as answerError } from './client/connect-answer.js';
export { Cancellation } from './client/cancellation.js';
export { Client } from './client/client.js';
export { type EjectionOptions, type Failure } from './client/ejection.js';
export { headerOf } from './client/exchange.js';
export type {
  Call,
  CallOptions,
  ClientLimits,
  ClientOf,
  ClientOptions,
  ForwardedStream,
  ForwardRequest,
  ForwardResponse,
  ForwardStreamRequest,
  Messages,
} from './client/options.js';
export type { RetryBudgetOptions } from './client/retry-budget.js';
export { listenError } from './server/one-port.js';
export { PlainLane, type PlainLaneOptions } from './http1/plain-lane.js';
export { type PlainLimits, PlainRequest } from './http1/plain-request.js';
export type { HttpResponse } from './http1/plain-response.js';
