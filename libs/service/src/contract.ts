/**
 * The contracts as suites, which an adapter passes that keeps them: those that the platform's own adapters pass. A spec of vitest calls one with the
 * adapter's name, its capabilities and a way to open it. The packages vitest and fast-check are to be installed beside this one.
 */
export { brokerContract, type BrokerContractOptions } from '@micro/broker/contract';
export { eventsContract, type EventsContractOptions } from '@micro/broker/events/contract';
export { type RegistryCapabilities, registryContract, type RegistryWorld } from '@micro/registry/contract';
export { blobsContract, type BlobsContractOptions } from '@micro/store/blob/contract';
export { locksContract, type LocksContractOptions } from '@micro/store/lock/contract';
export { storeContract, type StoreContractOptions } from '@micro/store/contract';
