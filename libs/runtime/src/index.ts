export { generateFile, type Generated } from './generate.js';
export { endLeftovers } from './leftovers.js';
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
export { processIdentity } from './process-identity.js';
export { readyz } from './ready.js';
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
export type {
  Exit,
  Launched,
  OutputFiles,
  OutputLine,
  ProcessSpec,
  ProcessState,
  ReadyProbe,
  RestartPolicy,
} from './process-spec.js';
export { SupervisedProcess } from './supervised.js';
