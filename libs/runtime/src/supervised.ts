import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { LineSplitter } from './lines.js';
import { isAlive, isGroupAlive, processIdentity, signalGroup } from './process-identity.js';
import type { Exit, ProcessSpec, ProcessState } from './process-spec.js';

const tailLines = 10;

/**
 * One program that is kept running, in a process group of its own: started, watched until it is ready, started again with growing pauses
 * when it dies, and stopped with everything that it started itself.
 */
export class SupervisedProcess {
  #state: ProcessState = {
    status: 'pending',
    message: '',
    pid: 0,
    identity: '',
    address: '',
    restarts: 0,
    startedMs: 0,
  };
  /** Aborts when the present process has ended or is being stopped. */
  #life = new AbortController();
  /** Settles when the present process, and its group with it, is gone. */
  #gone: Promise<void> = Promise.resolve();
  #wanted = false;
  #stopping: Promise<void> | undefined;
  /** Restarts since it last was stable. */
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(readonly spec: ProcessSpec) {}

  get state(): ProcessState {
    return this.#state;
  }

  /**
   * Starts the process; resolves when it is ready. MicroError `failed_precondition` if it ends before, `deadline_exceeded` if it is not ready
   * in time. Either way it goes on being kept running until `stop`.
   */
  async start(): Promise<void> {
    this.#wanted = true;
    this.#stopping = undefined;
    this.#set({ status: 'starting', message: '' });
    await this.#launch();
  }

  /**
   * Takes over what an earlier supervisor kept running: its process, if that still lives, else a new one in its place. From now on it is watched
   * and started again like one's own.
   */
  adopt(state: ProcessState): void {
    this.#state = state;
    if (state.status === 'stopped') return;
    this.#wanted = true;
    if (state.pid === 0) {
      this.#set({ restarts: state.restarts + (state.status === 'error' ? 1 : 0) });
      this.#launch().catch(() => undefined);
      return;
    }
    this.#life = new AbortController();
    this.#gone = this.#watchAdopted(state);
    if (state.status !== 'running') void this.#probe(state.pid).catch(() => undefined);
  }

  /**
   * Stops for good: SIGTERM to the process group, and SIGKILL to what is left of it after the grace. Resolves when the process is gone.
   * A second call waits for the same.
   */
  stop(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** SIGKILL to the whole group, at once, without waiting: for a supervisor that is itself about to end. */
  kill(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    if (this.#state.pid > 0) signalGroup(this.#state.pid, 'SIGKILL');
  }

  async #launch(): Promise<void> {
    const { spec } = this;
    const tail: string[] = [];
    const startedMs = Date.now();
    const child = this.#spawn(tail);
    const { pid = 0 } = child;
    this.#life = new AbortController();
    this.#gone = (async () => {
      const exit = await exitOf(child);
      if (pid > 0) await this.#sweep(pid);
      if (exit.error) tail.push(startFailure(exit.error, spec));
      const lines = typeof spec.output === 'function' ? tail : spec.output.tail();
      this.#ended(
        { ...exit, wasReady: this.#state.status === 'running', uptime: Date.now() - startedMs },
        exit.error ? tail : lines,
      );
    })();
    if (pid === 0) {
      await this.#gone;
      throw new MicroError('failed_precondition', `${spec.name}: ${this.#state.message}`);
    }
    this.#set({ pid, identity: processIdentity(pid) ?? '', startedMs, address: '' });
    await this.#probe(pid);
  }

  #spawn(tail: string[]): ChildProcess {
    const { spec } = this;
    const [program = '', ...args] = spec.command;
    const { output } = spec;
    const files =
      typeof output === 'function'
        ? undefined
        : [output.stdout, output.stderr].map((path) => openSync(path, 'a', 0o600));
    const stdio: StdioOptions = [
      'ignore',
      files?.[0] ?? 'pipe',
      files?.[1] ?? 'pipe',
      ...(spec.ipc ? ['ipc' as const] : []),
    ];
    try {
      // A group of its own: a ctrl-c in the terminal reaches the supervisor alone, and a signal from it everything that the process started.
      const child = spawn(program, args, { cwd: spec.cwd, env: spec.env as NodeJS.ProcessEnv, stdio, detached: true });
      if (typeof output === 'function') {
        for (const stream of ['stdout', 'stderr'] as const)
          tell(child, stream, (text) => {
            if (stream === 'stderr') keepLast(tail, text);
            output({ stream, text });
          });
      } else {
        child.unref();
      }
      return child;
    } finally {
      for (const file of files ?? []) closeSync(file);
    }
  }

  async #probe(pid: number): Promise<void> {
    const { signal } = this.#life;
    const timeout = this.spec.readyTimeout ?? 30_000;
    const ready = Promise.resolve(this.spec.ready?.({ pid, signal })).then((address) => {
      if (!signal.aborted) this.#set({ status: 'running', message: '', address: address ?? '' });
    });
    ready.catch((error: unknown) => {
      if (!signal.aborted) this.#set({ status: 'error', message: MicroError.from(error).detail });
    });
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const late = delay(timeout, undefined, { signal, ref: false }).then(
      () => {
        throw new MicroError(
          'deadline_exceeded',
          [`${this.spec.name} is not ready after ${timeout / 1000} s`, this.spec.notReady].filter(Boolean).join(': '),
        );
      },
      () => ended,
    );
    try {
      await Promise.race([ready, ended, late]);
    } catch (error) {
      if (!signal.aborted) this.#set({ status: 'error', message: MicroError.from(error).detail });
      throw error;
    } finally {
      for (const promise of [ready, ended, late]) promise.catch(() => undefined);
    }
  }

  /** What the process leaves of its group when it ends by itself goes, too. */
  async #sweep(pid: number): Promise<void> {
    if (!this.#stopping) killRest(pid);
  }

  async #watchAdopted({ pid, identity, startedMs }: ProcessState): Promise<void> {
    // Not our child: nobody tells us of its end.
    while (isAlive(pid, identity)) await delay(250, undefined, { ref: false });
    await this.#sweep(pid);
    const lines = typeof this.spec.output === 'function' ? [] : this.spec.output.tail();
    this.#ended(
      { code: null, signal: null, wasReady: this.#state.status === 'running', uptime: Date.now() - startedMs },
      lines,
    );
  }

  #ended(exit: Exit, stderr: readonly string[]): void {
    const what = describeExit(exit);
    const message = [what, ...stderr].join('\n');
    const { minDelay = 200, maxDelay = 30_000, stable = 30_000, when = () => true } = this.spec.restart ?? {};
    const again = this.#wanted && when(exit);
    const status = !this.#wanted ? this.#state.status : again || exit.code !== 0 ? 'error' : 'stopped';
    this.#set({ pid: 0, identity: '', address: '', status, message: status === 'error' ? message : '' });
    this.#life.abort(new MicroError('failed_precondition', `${this.spec.name} ${message}`));
    const settled = this.spec.onExit?.(this, exit);
    if (!again) return;
    if (exit.uptime >= stable) this.#failures = 0;
    const pause = Math.min(maxDelay, minDelay * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    this.#timer = setTimeout(() => void this.#again(settled), pause);
  }

  async #again(settled: void | Promise<void>): Promise<void> {
    await Promise.race([settled, delay(2_000, undefined, { ref: false })]).catch(() => undefined);
    if (!this.#wanted) return;
    this.#set({ restarts: this.#state.restarts + 1 });
    // The status stays `error`, with its reason, until the new process is ready: a crash loop does not look healthy in between.
    await this.#launch().catch(() => undefined);
  }

  async #stop(): Promise<void> {
    const { pid } = this.#state;
    if (pid > 0) {
      this.#set({ status: 'stopping', message: '' });
      this.#life.abort(new MicroError('canceled', `${this.spec.name} was stopped`));
      await this.#terminate(pid);
    }
    this.#set({ status: 'stopped', message: '' });
  }

  async #terminate(pid: number): Promise<void> {
    const grace = this.spec.grace ?? 15_000;
    signalGroup(pid, 'SIGTERM');
    // A process that was halted with SIGSTOP hears SIGTERM only now.
    signalGroup(pid, 'SIGCONT');
    const timer = new AbortController();
    const ended = await Promise.race([
      this.#gone.then(() => true),
      delay(grace, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    // Others in the group may need a moment longer than the leader, but not another whole grace.
    for (let waited = 0; ended && waited < 2_000 && isGroupAlive(pid); waited += 50) await delay(50);
    if (ended) killRest(pid);
    else signalGroup(pid, 'SIGKILL');
    await this.#gone;
  }

  #set(change: Partial<ProcessState>): void {
    this.#state = { ...this.#state, ...change };
    this.spec.onChange?.(this);
  }
}

/** Ends what is left of a group whose leader has gone. A living process of the leader's number is another's, and so would be its group. */
function killRest(leader: number): void {
  if (processIdentity(leader) === undefined) signalGroup(leader, 'SIGKILL');
}

/** `exited with code 1 after 0.3 s`. */
function describeExit({ code, signal, uptime }: Exit): string {
  const time = `after ${uptime < 10_000 ? (uptime / 1000).toFixed(1) : Math.round(uptime / 1000)} s`;
  if (signal) return `was ended by ${signal} ${time}`;
  return code === null
    ? `ended ${time}, with a code that nobody knows`
    : code < 0
      ? 'could not be started'
      : `exited with code ${code} ${time}`;
}

function startFailure(error: NodeJS.ErrnoException, { command, cwd }: ProcessSpec): string {
  if (cwd !== undefined && !existsSync(cwd)) return `the folder ${cwd} is not there`;
  if (error.code === 'ENOENT') return `the program ${command[0]} was not found`;
  if (error.code === 'EACCES') return `the program ${command[0]} may not be executed`;
  return error.message;
}

/** How a child ended, with all that it wrote read; `error` where it never began. */
function exitOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; error?: NodeJS.ErrnoException }> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: -1, signal: null, error });
    });
    child.once('exit', (code, signal) => {
      // `close` may never come: a grandchild can hold the pipes open.
      const timer = setTimeout(() => resolve({ code, signal }), 300);
      child.once('close', () => {
        clearTimeout(timer);
        resolve({ code, signal });
      });
    });
  });
}

function tell(child: ChildProcess, stream: 'stdout' | 'stderr', line: (text: string) => void): void {
  const splitter = new LineSplitter();
  child[stream]?.on('data', (chunk: Buffer) => {
    for (const bytes of splitter.push(chunk)) line(bytes.toString());
  });
  child[stream]?.once('close', () => {
    for (const bytes of splitter.end()) line(bytes.toString());
  });
}

function keepLast(lines: string[], line: string): void {
  lines.push(line.length > 500 ? `${line.slice(0, 500)}…` : line);
  if (lines.length > tailLines) lines.shift();
}
