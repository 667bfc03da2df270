import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MicroError } from '@micro/errors';
import type { Built } from './build.js';
import { unwritable } from './log-file.js';
import { isAlive, processIdentity } from './process-identity.js';
import type { ProcessState } from './process-spec.js';

/** What a runtime was asked for and what it started, for the one that comes after it. */
export interface SavedState {
  /** Whose services they are: a runtime of another session does not go on with them. */
  readonly session: string;
  readonly services: readonly SavedService[];
}

export interface SavedService {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly source: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly wanted: number;
  readonly watch: boolean;
  readonly updatedMs: number;
  /** Which instances are of the present build and settings, and which are to be replaced. */
  readonly revision: number;
  readonly failure: string;
  readonly built?: Built;
  /** Building, or being deleted, when this was saved. */
  readonly unfinished?: 'build' | 'delete';
  readonly instances: readonly SavedInstance[];
}

export interface SavedInstance {
  readonly id: string;
  readonly revision: number;
  readonly version: string;
  readonly state: ProcessState;
}

/**
 * The runtime's memory, `<home>/runtime/state.json`: written whole, readable by its owner only, for it has the services' environments. A lock
 * beside it keeps a second runtime out as long as the first lives.
 */
export class StateFile {
  readonly #folder: string;
  readonly #path: string;
  readonly #lock: string;
  #last = '';

  /** MicroError `failed_precondition` if another runtime uses the folder, or if it cannot be written. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, 'state.json');
    this.#lock = join(folder, 'lock');
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#claim();
    } catch (error) {
      throw error instanceof MicroError ? error : unwritable(folder, error);
    }
  }

  /** Undefined if there is none. One that cannot be read is put aside. */
  load(): SavedState | undefined {
    const state = readState(this.#folder);
    if (!state && existsSync(this.#path)) renameSync(this.#path, `${this.#path}.unreadable`);
    return state;
  }

  /** Throws where it cannot be written. */
  save(state: SavedState): void {
    const text = JSON.stringify(state, undefined, 1);
    if (text === this.#last) return;
    const unfinished = `${this.#path}.new`;
    writeFileSync(unfinished, text, { mode: 0o600 });
    renameSync(unfinished, this.#path);
    this.#last = text;
  }

  /** Forgets everything and lets others in. */
  remove(): void {
    rmSync(this.#path, { force: true });
    rmSync(this.#lock, { force: true });
  }

  #claim(): void {
    for (;;) {
      try {
        const file = openSync(this.#lock, 'wx', 0o600);
        writeSync(file, JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) ?? '' }));
        closeSync(file);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const pid = holderOf(this.#folder);
      if (pid !== undefined) {
        throw new MicroError(
          'failed_precondition',
          `another runtime, process ${pid}, uses ${this.#lock}: stop it, or set another MICRO_HOME`,
          { id: 'runtime' },
        );
      }
      rmSync(this.#lock, { force: true });
    }
  }
}

/** Where under a home the process runtime keeps what it remembers. */
export function stateFolder(home: string): string {
  return join(home, 'runtime');
}

/** What is there; undefined if there is nothing, or nothing that can be read. */
export function readState(folder: string): SavedState | undefined {
  try {
    const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as SavedState;
    return Array.isArray(state.services) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Number of the runtime's process that uses the folder; undefined if there is none, or if it has died. */
export function holderOf(folder: string): number | undefined {
  try {
    const { pid, identity } = JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')) as {
      pid: number;
      identity: string;
    };
    return isAlive(pid, identity) ? pid : undefined;
  } catch {
    return undefined;
  }
}
