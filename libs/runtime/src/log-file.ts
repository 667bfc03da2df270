import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { MicroError } from '@micro/errors';
import type { LogLine } from './runtime.js';

export interface LogFileOptions {
  /** Bytes after which a file is put aside. Default 10 MiB. */
  readonly maxBytes?: number;
  /** How many files there are at most, the present one included: `x.log`, `x.log.1`, … Default 5. */
  readonly files?: number;
}

export const defaultLogFile = { maxBytes: 10 * 1024 * 1024, files: 5 } as const;

/** How far a log has come: which file, and its size. */
export interface LogEnd {
  readonly inode: number;
  readonly bytes: number;
}

export interface LogWriteOptions {
  /** When the lines were written. Default: now. */
  readonly timeMs?: number;
  /** Called when all is ready for the one write, with the end that the log has after it. */
  readonly before?: (end: LogEnd) => void;
}

/** What one line in a file says. */
export type LogRecord = Omit<LogLine, 'instance'>;

/**
 * A log that is kept in a limited number of files, readable by its owner only: one line each, `2026-11-05T12:00:00.123Z stdout text`. Lines are
 * with the operating system when `write` returns. A line that cannot be written, because the disk is full, is lost and counted.
 */
export class LogFile {
  readonly #maxBytes: number;
  readonly #files: number;
  #file: number | undefined;
  #bytes = 0;
  #lost = 0;

  constructor(
    readonly path: string,
    options: LogFileOptions = {},
  ) {
    this.#maxBytes = options.maxBytes ?? defaultLogFile.maxBytes;
    this.#files = options.files ?? defaultLogFile.files;
  }

  /** Lines of text without line ends; a newline in one becomes a space. */
  write(stream: LogRecord['stream'], texts: readonly string[], options: LogWriteOptions = {}): void {
    if (texts.length === 0) return;
    const prefix = `${new Date(options.timeMs ?? Date.now()).toISOString()} ${stream} `;
    let block = this.#lost > 0 ? `${prefix}(${this.#lost} lines could not be written)\n` : '';
    for (const text of texts) block += `${prefix}${text.includes('\n') ? text.replaceAll('\n', ' ') : text}\n`;
    try {
      this.#append(Buffer.from(block), options.before);
      this.#lost = 0;
    } catch {
      this.#lost += texts.length;
      this.close();
    }
  }

  /** Undefined when there is no log yet. */
  end(): LogEnd | undefined {
    const found = statSync(this.path, { throwIfNoEntry: false });
    return found && { inode: found.ino, bytes: found.size };
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #append(block: Buffer, before?: (end: LogEnd) => void): void {
    this.#file ??= this.#open();
    if (this.#bytes > 0 && this.#bytes + block.length > this.#maxBytes) this.#rotate();
    before?.({ inode: fstatSync(this.#file).ino, bytes: this.#bytes + block.length });
    for (let written = 0; written < block.length;) {
      written += writeSync(this.#file, block, written);
    }
    this.#bytes += block.length;
  }

  #open(): number {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const file = openSync(this.path, 'a', 0o600);
    this.#bytes = fstatSync(file).size;
    return file;
  }

  #rotate(): void {
    this.close();
    rmSync(rotated(this.path, this.#files - 1), { force: true });
    for (let number = this.#files - 2; number >= 0; number--) {
      try {
        renameSync(rotated(this.path, number), rotated(this.path, number + 1));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    this.#file = this.#open();
  }
}

/** Name of the file put aside `number` rotations ago; 0 is the present one. */
export function rotated(path: string, number: number): string {
  return number === 0 ? path : `${path}.${number}`;
}

const timeLength = '2026-11-05T12:00:00.123Z'.length;

/** One line of a log file; undefined for one that is none, such as the torn last line before a power cut. */
export function parseRecord(line: string): LogRecord | undefined {
  const timeMs = Date.parse(line.slice(0, timeLength));
  const end = line.indexOf(' ', timeLength + 1);
  const stream = line.slice(timeLength + 1, end);
  if (Number.isNaN(timeMs) || end === -1 || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  return { timeMs, stream, text: line.slice(end + 1) };
}

/** MicroError for a folder that cannot be written, naming it. Of a read-only file system Node says ENOENT, where it makes several folders at once. */
export function unwritable(path: string, cause: unknown): MicroError {
  const { code } = cause as NodeJS.ErrnoException;
  const what =
    code === 'ENOSPC'
      ? 'the disk is full'
      : code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOENT'
        ? `it may not be written by user ${process.geteuid?.() ?? ''}`.trimEnd()
        : String(code);
  return new MicroError('failed_precondition', `cannot write ${path}: ${what}`, { cause });
}
