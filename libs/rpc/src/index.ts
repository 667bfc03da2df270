export { currentCall } from './call-scope.js';
export { type Discovery, fixedTargets, type Route, type Target } from './discovery.js';
export type { CallContext, Handler, Handlers } from './handler.js';
export { Metadata, type MetadataInit, type MetadataValue } from './metadata.js';
export { type CallLimits, type Interceptor } from './server/call.js';
export { type HttpRoute } from './server/connect-lane.js';
export { type Http2Route } from './server/grpc-lane.js';
export { type CloseOptions, defaultLimits, RpcServer, type RpcServerOptions } from './server/server.js';
