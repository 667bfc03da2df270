export { RegistryCache, type RegistryCacheOptions } from './cache.js';
export type { Provided } from './cache-view.js';
export type { EtcdOptions } from './etcd.js';
export { RegistryHandlers } from './handlers.js';
export { LaterRegistry } from './later.js';
export { MemoryRegistry } from './memory.js';
export { fromMessage, toMessage } from './messages.js';
export { openRegistry, type RegistryConfig } from './open.js';
export {
  defaultNamespace,
  defaultTtl,
  type Endpoint,
  type Node,
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  sharedKey,
  type WatchOptions,
} from './registry.js';
