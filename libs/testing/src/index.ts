export { haveTool, type OutsideTool, toolPath } from './outside.js';
export { freePort, freePorts } from './ports.js';
export { temporaryFolder } from './temporary.js';
export { until } from './until.js';
