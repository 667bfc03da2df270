export { type LogLevel, logLevels } from './log-level.js';
export { createLogger, Logger, type LogFields, type LoggerOptions, type LogStream, silentLogger } from './logger.js';
export { Metrics, type Outcome, type Side } from './metrics.js';
export { childTraceparent, isTraceparent, newTraceparent, traceId } from './trace.js';
