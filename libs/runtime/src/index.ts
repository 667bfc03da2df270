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
export { defaultLogFile, LogFile, type LogFileOptions } from './log-file.js';
export { isAlive, processIdentity } from './process-identity.js';
export { readyz, saysReady, staysUp } from './ready.js';
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
export { Supervisor, type SupervisorSpec } from './supervisor.js';
