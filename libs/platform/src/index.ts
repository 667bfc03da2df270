export { type Address, formatAddress, onLoopback, parseAddress } from './address.js';
export { Config, configOf, defaultPorts } from './config.js';
export { Environment, otherVariables, readEnvironment, variableNames } from './env.js';
export { Hosted, type HostOptions, type Listener } from './hosted.js';
export { fail, type Lifecycle, ownProcess, tellReady } from './lifecycle.js';
export { Platform, type PlatformOptions } from './platform.js';
export {
  type BrokerName,
  type ProfileName,
  profiles,
  type RegistryName,
  type RuntimeName,
  type StoreName,
} from './profiles.js';
export { type AppOptions, runApp, type RunningApp, startApp, type StartOptions } from './run-app.js';
