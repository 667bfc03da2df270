import { type FSWatcher, mkdirSync, readdirSync, rmSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LogFile, type LogFileOptions } from './log-file.js';
import { Spool } from './spool.js';
import type { OutputFiles } from './process-spec.js';

export interface LogCollectorOptions extends LogFileOptions {
  /** Folder of log files: `<namespace>/<service>/<instance>.log`. */
  readonly logs: string;
  /** Folder of what the processes write themselves: `<instance>.stdout`, `<instance>.stderr`, and how far each was read. */
  readonly spool: string;
}

/** Whose output it is. */
export interface LogOwner extends ServiceName {
  readonly instance: string;
}

export interface ServiceName {
  readonly namespace: string;
  readonly service: string;
}

type Stream = 'stdout' | 'stderr';
const streams: readonly Stream[] = ['stdout', 'stderr'];

const chunkBytes = 256 * 1024;
const checkMs = 1_000;
/** Log files of instances that are gone, per service. */
const keptInstances = 20;

/**
 * Brings what processes write into their log files. A process appends to two spool files of its own and never waits for the runtime, nor
 * breaks when the runtime dies; the collector follows the spools, gives each line its time and stream, and empties them when they have been
 * read. How far it came is on disk, so that the next runtime goes on from there.
 */
export class LogCollector {
  readonly #instances = new Map<string, InstanceLog>();
  readonly #changes = new Changes();
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);
  #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(readonly options: LogCollectorOptions) {
    for (const path of [options.logs, options.spool]) mkdirSync(path, { recursive: true, mode: 0o700 });
    try {
      this.#watcher = watch(options.spool, { persistent: false }, (_, file) => this.#touched(String(file)));
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No more watches to be had: the timer finds out, a little later.
    }
    this.#timer = setInterval(() => this.#check(), checkMs).unref();
  }

  /** Folder of a service's log files. */
  folder({ namespace, service }: ServiceName): string {
    return join(this.options.logs, namespace, service);
  }

  /** Opens the log of an instance and follows its spools from where an earlier collector left off. */
  open(owner: LogOwner): OutputFiles {
    const known = this.#instances.get(owner.instance);
    if (known) return known.files;
    const folder = this.folder(owner);
    this.#prune(folder);
    const file = new LogFile(join(folder, `${owner.instance}.log`), this.options);
    const log = new InstanceLog(owner, file, join(this.options.spool, owner.instance));
    this.#instances.set(owner.instance, log);
    this.#drain(log);
    return log.files;
  }

  /** Adds lines of the runtime's own to a service's log. */
  write(owner: LogOwner, stream: Stream, texts: readonly string[]): void {
    const open = this.#instances.get(owner.instance);
    const file = open?.file ?? new LogFile(join(this.folder(owner), `${owner.instance}.log`), this.options);
    file.write(stream, texts);
    if (!open) file.close();
    this.#changes.tell(owner);
  }

  /** What its process will write no more: reads the rest, and from now on takes what comes as the next process's. */
  async finish(instance: string): Promise<void> {
    const log = this.#instances.get(instance);
    if (!log) return;
    await this.#drain(log);
    if (log.finish()) this.#changes.tell(log.owner);
  }

  /** The same, and the instance will not come back. */
  async close(instance: string): Promise<void> {
    await this.finish(instance);
    this.#instances.get(instance)?.close();
    this.#instances.delete(instance);
  }

  /** Resolves when all that the service's processes have written so far is in the log files. */
  async sync({ namespace, service }: ServiceName): Promise<void> {
    const own = [...this.#instances.values()].filter(
      ({ owner }) => owner.namespace === namespace && owner.service === service,
    );
    await Promise.all(own.map((log) => this.#drain(log)));
  }

  /** Resolves when the service's log has grown since the number was given, with the next number; -1 when it will not be told any more. */
  changed(owner: ServiceName, last: number, signal?: AbortSignal): Promise<number> {
    return this.#changes.after(owner, last, signal);
  }

  /** Stops following, without ending the instances: their spools are for the next runtime. */
  async dispose(): Promise<void> {
    clearInterval(this.#timer);
    this.#watcher?.close();
    for (const log of this.#instances.values()) {
      await this.#drain(log);
      log.release();
    }
    this.#instances.clear();
    this.#changes.end();
  }

  #touched(file: string): void {
    const log = /\.std(?:out|err)$/.test(file) ? this.#instances.get(file.slice(0, -'.stdxxx'.length)) : undefined;
    if (log) void this.#drain(log);
  }

  #check(): void {
    for (const log of this.#instances.values()) {
      void this.#drain(log);
      log.emptyQuietSpools();
    }
  }

  /** One reader at a time; who asks meanwhile gets another round, for there may be more by then. */
  #drain(log: InstanceLog): Promise<void> {
    log.again = true;
    log.draining ??= this.#drainOnce(log).finally(() => {
      log.draining = undefined;
      return log.again ? this.#drain(log) : undefined;
    });
    return log.draining;
  }

  async #drainOnce(log: InstanceLog): Promise<void> {
    log.again = false;
    while (log.read(this.#buffer)) {
      this.#changes.tell(log.owner);
      await nextTurn();
    }
  }

  #prune(folder: string): void {
    const gone = instancesIn(folder)
      .filter((instance) => !this.#instances.has(instance))
      .map((instance) => ({
        instance,
        time: statSync(join(folder, `${instance}.log`), { throwIfNoEntry: false })?.mtimeMs ?? 0,
      }))
      .sort((a, b) => b.time - a.time);
    for (const { instance } of gone.slice(keptInstances)) {
      for (const name of readdirSync(folder))
        if (name.startsWith(`${instance}.log`)) rmSync(join(folder, name), { force: true });
    }
  }
}

/** Ids of the instances that have a log in this folder. */
export function instancesIn(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => (name.endsWith('.log') ? [name.slice(0, -'.log'.length)] : []));
  } catch {
    return [];
  }
}

/** The two spools of one process, and the log that they become. */
class InstanceLog {
  draining: Promise<void> | undefined;
  again = false;
  readonly files: OutputFiles;
  #released = false;
  readonly #spools: readonly Spool[];

  constructor(
    readonly owner: LogOwner,
    readonly file: LogFile,
    path: string,
  ) {
    const end = file.end();
    this.#spools = streams.map((stream) => new Spool(stream, path, end));
    const [stdout, stderr] = this.#spools as [Spool, Spool];
    this.files = { stdout: stdout.path, stderr: stderr.path, tail: () => stderr.tail() };
  }

  /** Brings up to one chunk of each stream into the log; false if there was nothing. */
  read(buffer: Buffer): boolean {
    let some = false;
    if (this.#released) return false;
    for (const spool of this.#spools) {
      const lines = spool.read(buffer);
      if (lines === undefined) continue;
      some = true;
      this.#take(spool, lines);
    }
    return some;
  }

  /** Whether a line without an end was left. */
  finish(): boolean {
    let some = false;
    for (const spool of this.#spools) {
      const rest = spool.rest();
      this.#take(spool, rest);
      some ||= rest.length > 0;
    }
    return some;
  }

  #take(spool: Spool, lines: readonly string[]): void {
    this.file.write(spool.stream, lines, { before: (end) => spool.announce(end) });
    spool.save();
  }

  emptyQuietSpools(): void {
    if (this.#released) return;
    for (const spool of this.#spools) spool.emptyIfQuiet();
  }

  release(): void {
    this.#released = true;
    for (const spool of this.#spools) spool.release();
    this.file.close();
  }

  close(): void {
    this.release();
    for (const spool of this.#spools) spool.remove();
  }
}

/** Whose log has grown, for those who follow it. */
class Changes {
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #ended = false;

  tell(owner: ServiceName): void {
    const key = `${owner.namespace}/${owner.service}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const wake of [...(waiting ?? [])]) wake();
  }

  async after(owner: ServiceName, last: number, signal?: AbortSignal): Promise<number> {
    const key = `${owner.namespace}/${owner.service}`;
    const count = () => this.#counts.get(key) ?? 0;
    if (count() === last && !this.#ended && !signal?.aborted) {
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting);
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
    return this.#ended || signal?.aborted ? -1 : count();
  }

  end(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.values()) for (const wake of [...waiting]) wake();
    this.#waiting.clear();
  }
}
