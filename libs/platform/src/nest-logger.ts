import type { LoggerService } from '@nestjs/common';
import type { Logger } from '@micro/telemetry';

/** Where Nest itself speaks: of interest to those who look for a fault in it. */
const framework = new Set([
  'NestFactory',
  'InstanceLoader',
  'NestMicroservice',
  'NestApplication',
  'RoutesResolver',
  'RouterExplorer',
  'Server',
]);

/** Nest's own log lines, and those of `new Logger('Context')` of @nestjs/common, by the logger of the process. */
export class NestLogger implements LoggerService {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    if (context !== undefined && framework.has(context)) this.#logger.debug(text(message), { context });
    else this.#logger.info(text(message), fields(context));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#logger.warn(text(message), fields(contextOf(rest)));
  }

  /** Nest gives a stack, then a context; an Error may be the message or come first of the rest. */
  error(message: unknown, ...rest: unknown[]): void {
    const error = message instanceof Error ? message : rest.find((one) => one instanceof Error);
    const stack = rest.find((one) => typeof one === 'string' && one.includes('\n    at '));
    this.#logger.error(text(message), {
      ...fields(contextOf(rest.filter((one) => one !== stack))),
      ...(error ? { error } : stack ? { stack } : {}),
    });
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#logger.debug(text(message), fields(contextOf(rest)));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.debug(message, ...rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}

function contextOf(rest: readonly unknown[]): string | undefined {
  const last = rest.at(-1);
  return typeof last === 'string' ? last : undefined;
}

function fields(context: string | undefined): { context?: string } {
  return context === undefined ? {} : { context };
}

function text(message: unknown): string {
  if (message instanceof Error) return message.message;
  return typeof message === 'string' ? message : JSON.stringify(message);
}
