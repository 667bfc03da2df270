import { pino } from 'pino';
import type { LogLevel } from './log-level.js';

/**
 * Where a part of Micro, or a user's service, says what happens. One line an event; fields are data, the message is for people. A class, so
 * that it is its own token in Nest.
 */
export abstract class Logger {
  abstract debug(message: string, fields?: LogFields): void;
  abstract info(message: string, fields?: LogFields): void;
  abstract warn(message: string, fields?: LogFields): void;
  abstract error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  abstract child(fields: LogFields): Logger;
}

/**
 * An Error under `error` is written with its stack and causes. What is called like a part of the line itself (`level`, `time`, `name`,
 * `message`) is written with an underscore after its name.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LoggerOptions {
  /** Name of the service, on every line. */
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** `pretty` for people: time, level, message, then the fields; `json` for machines: one object a line. Default `json`. */
  readonly format?: 'pretty' | 'json';
  /** Default: standard error, so that standard output stays the program's own. */
  readonly stream?: LogStream;
}

export interface LogStream {
  write(line: string): unknown;
}

/** Writes a line at once, without buffering: what was logged before a crash is there. */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.stream ?? process.stderr;
  const destination = options.format === 'pretty' ? { write: (line: string) => stream.write(pretty(line)) } : stream;
  return wrap(
    pino(
      {
        level: options.level ?? 'info',
        base: { name: options.name },
        messageKey: 'message',
        errorKey: 'error',
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    ),
  );
}

/** Says nothing: for tests and for libraries used without a logger. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function wrap(sink: pino.Logger): Logger {
  return {
    debug: (message, fields) => sink.debug(apart(fields), message),
    info: (message, fields) => sink.info(apart(fields), message),
    warn: (message, fields) => sink.warn(apart(fields), message),
    error: (message, fields) => sink.error(apart(fields), message),
    child: (fields) => wrap(sink.child(apart(fields))),
  };
}

const ownKeys: readonly string[] = ['level', 'time', 'name', 'message'];

/** Fields that cannot be taken for the line's own: pino would write a key twice, and readers would take the last. */
function apart(fields: LogFields = {}): LogFields {
  if (!ownKeys.some((key) => key in fields)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [ownKeys.includes(key) ? `${key}_` : key, value]),
  );
}

const marks: Readonly<Record<string, string>> = { debug: 'debug', info: 'info ', warn: 'WARN ', error: 'ERROR' };

function pretty(line: string): string {
  const { level, time, name: _name, message, error, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const data = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? harmless(value) : JSON.stringify(value)}`,
  );
  const stack = error === undefined ? '' : `\n${indented(error)}`;
  return `${String(time).slice(11, 23)} ${marks[String(level)] ?? level} ${lines(message)}${data.join('')}${stack}\n`;
}

function indented(error: unknown): string {
  const { stack } = error as { stack?: string };
  return `    ${lines(stack ?? JSON.stringify(error))}`;
}

/** A text of several lines, of which all but the first are indented: what callers send shall not look like a line of the log. */
function lines(text: unknown): string {
  return String(text ?? '')
    .split('\n')
    .map(harmless)
    .join('\n    ');
}

/** Without what a terminal would obey. */
function harmless(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
