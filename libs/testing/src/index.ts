export { compiledPackages } from './compiled.js';
export { checkDeliveries, type DeliveryHistory, type DeliveryPromise, type Received, type Sent } from './deliveries.js';
export { checkLinearizable, type Model, type Operation, type Verdict } from './linearizability.js';
export { type LockInput, lockModel, type LockState } from './locks.js';
export { type Link, link } from './link.js';
export { haveTool, type OutsideTool, toolEnvironment, toolPath } from './outside.js';
export {
  cleanEnvironment,
  endProcess,
  healthy,
  listeningProcess,
  type PlatformService,
  platformServices,
  type Ran,
  run,
  startPlatform,
  type TestPlatform,
  type TestPlatformOptions,
  workspaceRoot,
} from './platform.js';
export { freePort, freePorts } from './ports.js';
export { compileProgram, type Program, startProgram } from './program.js';
export {
  type BackingServers,
  type BackingServersOptions,
  backingTools,
  startBackingServers,
} from './servers/backing.js';
export { makeCertificates } from './servers/certificates.js';
export { etcdTool, type EtcdOptions, type EtcdServers, startEtcd } from './servers/etcd.js';
export { natsTool, type NatsOptions, type NatsServers, startNats } from './servers/nats.js';
export { postgresTool, type PostgresOptions, type PostgresServer, startPostgres } from './servers/postgres.js';
export type { ServerProcess } from './servers/server.js';
export { suspend } from './suspend.js';
export { temporaryFolder } from './temporary.js';
export { until } from './until.js';
