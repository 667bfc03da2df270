export { LogFile, type LogFileOptions } from './log-file.js';
export {
  fromCreateRequest,
  fromLogsRequest,
  fromUpdateRequest,
  toLogMessage,
  toMessage,
  toProgressMessage,
} from './messages.js';
export { openRuntime, type RuntimeConfig } from './open.js';
export type { ProcessRuntimeOptions } from './process.js';
export { isAlive, processIdentity } from './process-identity.js';
export { readyz, staysUp } from './ready.js';
export {
  type CreateService,
  type FollowOptions,
  type Instance,
  type LogLine,
  type LogsQuery,
  type Progress,
  Runtime,
  type RuntimeOptions,
  type Service,
  type Status,
  type UpdateService,
} from './runtime.js';
export {
  type Exit,
  type Launched,
  type OutputFiles,
  type OutputLine,
  type ProcessSpec,
  type ProcessState,
  type ReadyProbe,
  type RestartPolicy,
  SupervisedProcess,
} from './supervised.js';
