export { NatsClient, openNats } from './client.js';
export { type NatsOptions, type NatsTls } from './options.js';
