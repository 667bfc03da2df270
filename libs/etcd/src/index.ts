export { type EtcdAccess, EtcdClient, type EtcdPurpose, isLeaseLost, isTransient, type Member } from './client.js';
export { KeepAlive } from './keep-alive.js';
