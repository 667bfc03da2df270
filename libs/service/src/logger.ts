import { configOf, readEnvironment } from '@micro/platform';
import { createLogger, Logger, type LogFields } from '@micro/telemetry';
import { openedPlatform } from './process-platform.js';

/** The process's logger before it has a platform. */
let early: Logger | undefined;

function target(): Logger {
  const platform = openedPlatform();
  if (platform) return platform.logger;
  if (!early) {
    const environment = readEnvironment();
    early = createLogger({ name: environment.name ?? 'service', ...configOf(environment).log });
  }
  return early;
}

/** Says what happens: one line an event, to standard error, as JSON or, on a terminal, for people. */
export const logger: Logger = {
  debug: (message: string, fields?: LogFields) => target().debug(message, fields),
  info: (message: string, fields?: LogFields) => target().info(message, fields),
  warn: (message: string, fields?: LogFields) => target().warn(message, fields),
  error: (message: string, fields?: LogFields) => target().error(message, fields),
  child: (fields: LogFields) => target().child(fields),
};
