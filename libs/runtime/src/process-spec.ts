import type { Status } from './runtime.js';
import type { SupervisedProcess } from './supervised.js';

/** What to run, and how to keep it running. */
export interface ProcessSpec {
  /** For messages. */
  readonly name: string;
  readonly command: readonly string[];
  /** Default: the supervisor's. */
  readonly cwd?: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Where its output goes: a function that is told each line, or two files that the process itself appends to. With files it outlives the
   * supervisor; with a function its pipes break when the supervisor dies.
   */
  readonly output: ((line: OutputLine) => void) | OutputFiles;
  /** Opens an IPC channel, whose `disconnect` tells the process that the supervisor has died. Default false. */
  readonly ipc?: boolean;
  /** When it counts as running. Default: as soon as it is started. */
  readonly ready?: ReadyProbe;
  /** Milliseconds until a process that is not ready counts as failed; it is left running, and may become ready later. Default 30,000. */
  readonly readyTimeout?: number;
  /** What it means that it is not ready in time, for the message. */
  readonly notReady?: string;
  readonly restart?: RestartPolicy;
  /** Milliseconds between SIGTERM and SIGKILL. Default 15,000. */
  readonly grace?: number;
  /** Told after each change of the state. */
  readonly onChange?: (process: SupervisedProcess) => void;
  /** Told when a process has ended; the next one is not started before what it returns has resolved, or two seconds have passed. */
  readonly onExit?: (process: SupervisedProcess, exit: Exit) => void | Promise<void>;
}

export interface OutputLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export interface OutputFiles {
  readonly stdout: string;
  readonly stderr: string;
  /** The last lines that were written to stderr, for the reason of an exit. */
  readonly tail: () => readonly string[];
}

/**
 * Resolves when the process is ready, with its `host:port` or nothing. What a probe does after its process has ended is ignored. A probe that
 * throws fails the start.
 */
export type ReadyProbe = (process: Launched) => Promise<string | void>;

export interface Launched {
  readonly pid: number;
  /** Aborts when the process has ended or is being stopped. */
  readonly signal: AbortSignal;
}

export interface RestartPolicy {
  /** Milliseconds before the first restart; doubles with each one, up to `maxDelay`. Default 200. */
  readonly minDelay?: number;
  /** Default 30,000. */
  readonly maxDelay?: number;
  /** A process that ran for so many milliseconds starts again with the shortest pause. Default 30,000. */
  readonly stable?: number;
  /** Whether to start again. Default: always. */
  readonly when?: (exit: Exit) => boolean;
}

export interface Exit {
  /** Null if a signal ended it, or if it is not known because the process was adopted. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether it had been ready. */
  readonly wasReady: boolean;
  /** Milliseconds that it ran. */
  readonly uptime: number;
}

export interface ProcessState {
  readonly status: Status;
  /** Why, where the status is `error`. */
  readonly message: string;
  /** 0 while there is no process. */
  readonly pid: number;
  /** Tells the process from a later one of the same number. */
  readonly identity: string;
  readonly address: string;
  readonly restarts: number;
  readonly startedMs: number;
}
