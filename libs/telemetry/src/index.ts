export { createLogger, Logger, type LogFields, type LoggerOptions, type LogLevel, logLevels, type LogStream, silentLogger } from './logger.js';
export { Metrics, type Outcome, type Side } from './metrics.js';
export { childTraceparent, isTraceparent, newTraceparent, traceId } from './trace.js';
