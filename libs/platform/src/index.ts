export { type Config, configOf, defaultPorts, onLoopback } from './config.js';
export { type Address, Environment, formatAddress, parseAddress, readEnvironment, variableNames } from './env.js';
export { type ProfileName, profiles, type RegistryName, type RuntimeName } from './profiles.js';
