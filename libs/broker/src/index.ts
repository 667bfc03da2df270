export {
  Broker,
  type BrokerOptions,
  brokerLimits,
  defaultNamespace,
  type Message,
  type NewMessage,
  patience,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
export {
  type BrokerCapabilities,
  brokerCapabilities,
  type EventsCapabilities,
  eventsCapabilities,
  type Shared,
  type Survives,
} from './capabilities.js';
export {
  type Consumer,
  type ConsumeOptions,
  type DeadLetter,
  type DeadLetterOptions,
  defaultRetention,
  type Delivery,
  type Event,
  eventLimits,
  Events,
  type EventsOptions,
  type FollowOptions,
  type GroupInfo,
  type NewEvent,
  type Position,
  type Published,
  type ReadOptions,
  type Retention,
  type StreamInfo,
  type StreamsOptions,
} from './events/events.js';
export { EventsHandlers } from './events/handlers.js';
export { LaterEvents } from './events/later.js';
export { MemoryEvents } from './events/memory.js';
export { type EventsConfig, openEvents } from './events/open.js';
export { LaterBroker } from './later.js';
export { MemoryBroker } from './memory.js';
export { type BrokerConfig, openBroker } from './open.js';
export { BrokerHandlers } from './handlers.js';
export { ownMessage } from './own-copies.js';
