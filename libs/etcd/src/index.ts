export { type EtcdAccess, EtcdClient, type EtcdPurpose, isTransient, type Member } from './client.js';
export { KeepAlive } from './keep-alive.js';
