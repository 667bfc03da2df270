import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LineSplitter, maxLineBytes } from './lines.js';
import { instancesIn, type LogCollector, type ServiceName } from './log-collector.js';
import { defaultLogFile, type LogRecord, parseRecord, rotated } from './log-file.js';
import type { LogLine, LogsQuery } from './runtime.js';

const chunkBytes = 64 * 1024;
/** Time and stream come before the text, and a byte that is no UTF-8 has become three. */
const longestRecord = 3 * maxLineBytes + 64;

/** Lines of a service's log files, merged by time; with `follow`, then each new one. Never holds more than a chunk of each file. */
export async function* readLogs(
  collector: LogCollector,
  service: ServiceName,
  query: Omit<LogsQuery, 'name'> & { readonly signal?: AbortSignal },
): AsyncGenerator<LogLine> {
  const { follow = false, lines = 0, sinceMs = 0, signal } = query;
  const ended = () => signal?.aborted ?? false;
  const set = new CursorSet(collector.folder(service), collector.options.files ?? defaultLogFile.files);
  try {
    let seen = follow ? await collector.changed(service, -1, signal) : 0;
    await collector.sync(service);
    const until = Date.now();
    set.openAll(lines);
    const history = set.merge((record) => follow || record.timeMs <= until);
    for await (const line of lines > 0 ? lastOf(history, lines, sinceMs) : history) {
      if (ended()) return;
      if (line.timeMs >= sinceMs) yield line;
    }
    while (follow && !ended()) {
      seen = await collector.changed(service, seen, signal);
      if (seen === -1) return;
      set.openAll(0);
      for await (const line of set.merge(() => true)) {
        if (ended()) return;
        if (line.timeMs >= sinceMs) yield line;
      }
    }
  } finally {
    set.close();
  }
}

async function* lastOf(lines: AsyncIterable<LogLine>, count: number, sinceMs: number): AsyncGenerator<LogLine> {
  let kept: LogLine[] = [];
  for await (const line of lines) {
    if (line.timeMs < sinceMs) continue;
    kept.push(line);
    if (kept.length >= count * 2 + 1_000) kept = kept.slice(-count);
  }
  yield* kept.slice(-count);
}

/** Where reading is in the logs of all instances of a service. */
class CursorSet {
  readonly #cursors = new Map<string, Cursor>();

  constructor(
    readonly folder: string,
    readonly files: number,
  ) {}

  /** Begins to read instances that were not there before: at their last `lines` lines, or, with 0, at their beginning. */
  openAll(lines: number): void {
    for (const instance of instancesIn(this.folder)) {
      if (this.#cursors.has(instance)) continue;
      this.#cursors.set(instance, new Cursor(instance, join(this.folder, `${instance}.log`), this.files));
      if (lines > 0) this.#cursors.get(instance)?.skipToLast(lines);
    }
  }

  /** What there is beyond the cursors, by time; of equal times by instance. */
  async *merge(wanted: (record: LogRecord) => boolean): AsyncGenerator<LogLine> {
    const cursors = [...this.#cursors.values()].sort((a, b) => (a.instance < b.instance ? -1 : 1));
    let taken = 0;
    for (;;) {
      let next: Cursor | undefined;
      for (const cursor of cursors) {
        const record = cursor.peek();
        if (record && (!next || record.timeMs < (next.peek() as LogRecord).timeMs)) next = cursor;
      }
      const record = next?.take();
      if (!next || !record || !wanted(record)) return;
      yield { ...record, instance: next.instance };
      if (++taken % 1_000 === 0) await nextTurn();
    }
  }

  close(): void {
    for (const cursor of this.#cursors.values()) cursor.close();
    this.#cursors.clear();
  }
}

/** Reads one instance's log from its oldest file to its newest, and on across rotation: it knows a file by its inode, not by its name. */
class Cursor {
  #file: number | undefined;
  #inode = 0;
  #offset = 0;
  #splitter = new LineSplitter(longestRecord);
  #records: LogRecord[] = [];
  #next = 0;
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);

  constructor(
    readonly instance: string,
    readonly path: string,
    readonly files: number,
  ) {}

  peek(): LogRecord | undefined {
    while (this.#next >= this.#records.length) {
      if (!this.#read()) return undefined;
    }
    return this.#records[this.#next];
  }

  take(): LogRecord | undefined {
    const record = this.peek();
    this.#next++;
    return record;
  }

  skipToLast(lines: number): void {
    let wanted = lines;
    for (let number = 0; number < this.files; number++) {
      if (!this.#open(number)) continue;
      const position = this.#lastLines(wanted);
      this.#offset = position.offset;
      if (position.missing === 0) return;
      wanted = position.missing;
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** The next chunk's records; false at the end of the newest file. */
  #read(): boolean {
    if (this.#file === undefined && !this.#openOldest()) return false;
    const bytes = readSync(this.#file as number, this.#buffer, 0, chunkBytes, this.#offset);
    if (bytes === 0) return this.#openNewer();
    this.#offset += bytes;
    this.#records = Array.from(this.#splitter.push(this.#buffer.subarray(0, bytes)), (line) =>
      parseRecord(line.toString()),
    ).filter((record) => record !== undefined);
    this.#next = 0;
    return true;
  }

  #openOldest(): boolean {
    for (let number = this.files - 1; number >= 0; number--) if (this.#open(number)) return true;
    return false;
  }

  /** The file that followed the present one. If the present one has been deleted meanwhile, the oldest that is left. */
  #openNewer(): boolean {
    for (let number = 0; number < this.files; number++) {
      if (this.#inodeOf(number) === this.#inode) return number > 0 && this.#open(number - 1);
    }
    return this.#openOldest();
  }

  #open(number: number): boolean {
    let file: number;
    try {
      file = openSync(rotated(this.path, number), 'r');
    } catch {
      return false;
    }
    this.close();
    this.#file = file;
    this.#inode = fstatSync(file).ino;
    this.#offset = 0;
    this.#splitter = new LineSplitter(longestRecord);
    return true;
  }

  #inodeOf(number: number): number | undefined {
    return statSync(rotated(this.path, number), { throwIfNoEntry: false })?.ino;
  }

  /** Where the last lines of the open file begin, and how many it has too few. */
  #lastLines(count: number): { readonly offset: number; readonly missing: number } {
    const file = this.#file as number;
    let found = 0;
    let end = fstatSync(file).size;
    // The newline that ends the last line is not the end of one before it.
    const last = end - 1;
    while (end > 0) {
      const begin = Math.max(0, end - chunkBytes);
      readSync(file, this.#buffer, 0, end - begin, begin);
      for (let index = end - begin - 1; index >= 0; index--) {
        if (this.#buffer[index] !== 0x0a || begin + index === last) continue;
        if (++found === count) return { offset: begin + index + 1, missing: 0 };
      }
      end = begin;
    }
    return { offset: 0, missing: last < 0 ? count : Math.max(0, count - found - 1) };
  }
}
