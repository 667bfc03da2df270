export { Call } from './call.decorator.js';
export { fromNest, RpcErrorFilter } from './nest-error.js';
export { type RequestObservable } from './streams.js';
export { RpcTransport, type RpcTransportOptions } from './transport.js';
