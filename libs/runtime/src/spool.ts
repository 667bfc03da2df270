import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { LineSplitter } from './lines.js';
import type { LogEnd } from './log-file.js';
import type { LogLine } from './runtime.js';

/** A spool that has been read is emptied from this size on, while its process writes nothing. */
const quietBytes = 1024 * 1024;
/** … and from this size on also while it does. */
const busyBytes = 64 * 1024 * 1024;
/** Unread output of one stream that is given up, for it grows faster than it can be read. */
const hopelessBytes = 256 * 1024 * 1024;
const quietMs = 100;

/**
 * One file that a process appends to, read from where it was last left. Beside it a mark of four numbers: how far it has been read, how far it
 * will have been once the log has what is being written at the moment, and that log's inode and size by then. Whoever finds the log that
 * long knows that nothing has to be written again, also when the reader was killed between the two.
 */
export class Spool {
  readonly path: string;
  readonly #file: number;
  readonly #mark: number;
  readonly #splitter = new LineSplitter();
  #offset = 0;
  /** Where the output of the present process begins. */
  #begin = 0;

  constructor(
    readonly stream: LogLine['stream'],
    base: string,
    log: LogEnd | undefined,
  ) {
    this.path = `${base}.${stream}`;
    const { O_RDWR, O_CREAT } = constants;
    this.#file = openSync(this.path, O_RDWR | O_CREAT, 0o600);
    this.#mark = openSync(`${this.path}-mark`, O_RDWR | O_CREAT, 0o600);
    this.#offset = this.#saved(log);
  }

  /** Lines of the next chunk; undefined at the end of what there is. */
  read(buffer: Buffer): string[] | undefined {
    const { size } = fstatSync(this.#file);
    if (size - this.#offset > hopelessBytes) return this.#giveUp(size);
    const bytes = readSync(this.#file, buffer, 0, buffer.length, this.#offset);
    if (bytes === 0) {
      if (this.#offset > busyBytes) this.#empty();
      return undefined;
    }
    this.#offset += bytes;
    return Array.from(this.#splitter.push(buffer.subarray(0, bytes)), text);
  }

  /** Remembers that what has been read, up to the last whole line, is about to be in the log, which will then end like this. */
  announce({ inode, bytes }: LogEnd): void {
    const mark = new Float64Array([this.#offset - this.#splitter.held, inode, bytes]);
    writeSync(this.#mark, mark, 0, mark.byteLength, 8);
  }

  /** Remembers what was read, up to the last whole line. */
  save(): void {
    const read = this.#offset - this.#splitter.held;
    writeSync(this.#mark, new Float64Array([read, read]), 0, 16, 0);
  }

  /** The line without an end that is left when the process will write no more. */
  rest(): string[] {
    const rest = Array.from(this.#splitter.end(), text);
    this.#begin = this.#offset;
    return rest;
  }

  emptyIfQuiet(): void {
    if (this.#offset < quietBytes || this.#splitter.held > 0) return;
    const { size, mtimeMs } = fstatSync(this.#file);
    if (size === this.#offset && Date.now() - mtimeMs > quietMs) this.#empty();
  }

  /** The last lines of the present process, read or not. */
  tail(): readonly string[] {
    const { size } = fstatSync(this.#file);
    const from = Math.max(this.#begin, size - 4096);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    readSync(this.#file, buffer, 0, buffer.length, from);
    const lines = buffer.toString().trimEnd().split('\n');
    return lines.slice(-10).filter((line) => line !== '');
  }

  release(): void {
    closeSync(this.#file);
    closeSync(this.#mark);
  }

  remove(): void {
    rmSync(this.path, { force: true });
    rmSync(`${this.path}-mark`, { force: true });
  }

  /**
   * The process appends (O_APPEND), so that it goes on at the new beginning. What it writes between our last read and this call is lost:
   * some microseconds, which is why it waits for a quiet moment where it can.
   */
  #empty(): void {
    ftruncateSync(this.#file, 0);
    this.#offset = 0;
    this.#begin = 0;
    this.save();
  }

  #giveUp(size: number): string[] {
    const dropped = size - this.#offset;
    const rest = Array.from(this.#splitter.end(), text);
    this.#empty();
    return [
      ...rest,
      `(${Math.round(dropped / 1024 / 1024)} MiB of output dropped: written faster than it can be kept)`,
    ];
  }

  #saved(log: LogEnd | undefined): number {
    const mark = new Float64Array(4);
    if (readSync(this.#mark, mark, 0, mark.byteLength, 0) < 8) return 0;
    const [read, announced, inode, bytes] = mark as unknown as [number, number, number, number];
    const offset = log && announced > read && log.inode === inode && log.bytes >= bytes ? announced : read;
    // Emptied, and killed before that was remembered.
    return offset > fstatSync(this.#file).size ? 0 : offset;
  }
}

function text(bytes: Buffer): string {
  return bytes.toString();
}
