export { haveTool, type OutsideTool, toolPath } from './outside.js';
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
export { temporaryFolder } from './temporary.js';
export { until } from './until.js';
