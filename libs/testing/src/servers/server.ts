import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { suspend } from '../suspend.js';
import { until } from '../until.js';

/** A server that is not ours, as a process of its own on ports and in a folder of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** Starts it again after `stop` or `kill`: same ports, same data. Resolves when it serves. */
  start(): Promise<void>;
  /** SIGTERM, as its administrator stops it; resolves when it is gone. Its data stay. */
  stop(): Promise<void>;
  /** kill -9; resolves when it is gone. Its data stay. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it is there and answers nothing. */
  pause(): void;
  resume(): void;
}

export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  /** What it writes goes here. */
  readonly log: string;
  /** Whether it serves. An error counts as not yet. */
  readonly serves: () => boolean | Promise<boolean>;
  /** By which it stops in good order. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
}

/** A server that has been told how it is started, and is not running yet. */
export class OutsideServer implements ServerProcess {
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;
  readonly #atExit = () => void this.#child?.kill('SIGKILL');

  constructor(command: ServerCommand) {
    this.#command = command;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#command.file} does not run`);
    return this.#child.pid;
  }

  /** Without waiting until it serves, as members of a cluster need, which wait for each other. */
  launch(): void {
    const { file, args, options, log } = this.#command;
    const output = createWriteStream(log, { flags: 'a' });
    const child = spawn(file, [...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(output, { end: false });
    child.once('close', () => output.end());
    child.once('error', (error) => output.write(`${error.message}\n`));
    process.once('exit', this.#atExit);
    this.#child = child;
  }

  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  async ready(): Promise<void> {
    const { file, log, serves } = this.#command;
    try {
      await until(`${file} serves`, () => this.#ended() || serves(), 60_000);
    } catch (error) {
      await this.kill();
      throw new Error(`${file} did not come up:\n${await readFile(log, 'utf8')}`, { cause: error });
    }
    if (this.#ended()) throw new Error(`${file} ended at once:\n${await readFile(log, 'utf8')}`);
  }

  stop(): Promise<void> {
    return this.#end(this.#command.stopSignal ?? 'SIGTERM');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  pause(): void {
    suspend(this.pid);
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  #ended(): boolean {
    const child = this.#child;
    return !child || child.exitCode !== null || child.signalCode !== null;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || this.#ended()) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    // One that is paused has to go on in order to stop.
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await gone;
    clearTimeout(timer);
    process.off('exit', this.#atExit);
  }
}
