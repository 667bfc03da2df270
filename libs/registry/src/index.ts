export { RegistryCache, type RegistryCacheOptions } from './cache.js';
export { fromEventMessage, fromMessage, toEventMessage, toMessage } from './messages.js';
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
  type WatchOptions,
} from './registry.js';
