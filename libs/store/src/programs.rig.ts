import { join } from 'node:path';
import {
  compileProgram,
  type Operation,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import type { StorePlace } from './store-place.rig.js';
import type { HistoryOrder, Said, WriteOrder } from './store.program.js';

/** Where a program finds better-sqlite3, which is in no bundle. */
const nativePackages = { NODE_PATH: join(workspaceRoot, 'node_modules') };

/** Processes of their own that use a store, as store.program.ts does. */
export class StorePrograms implements AsyncDisposable {
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #program: string;
  #started: Program[] = [];

  private constructor(folder: Awaited<ReturnType<typeof temporaryFolder>>, program: string) {
    this.#folder = folder;
    this.#program = program;
  }

  static async compile(): Promise<StorePrograms> {
    const folder = await temporaryFolder();
    return new StorePrograms(folder, await compileProgram(new URL('store.program.ts', import.meta.url), folder.path));
  }

  start(config: StorePlace, what: 'count' | 'transfer' | 'lock', order: HistoryOrder): Program;
  start(config: StorePlace, what: 'write', order: WriteOrder): Program;
  start(config: StorePlace, what: 'watch' | 'touch'): Program;
  start(config: StorePlace, what: string, order: object = {}): Program {
    const args = [what, JSON.stringify(config), JSON.stringify(order)];
    const started = startProgram(this.#program, nativePackages, args);
    this.#started.push(started);
    return started;
  }

  /** What so many clients, in four processes, did and were told. */
  async history<Input, Output>(
    config: StorePlace,
    what: 'count' | 'transfer' | 'lock',
    { clients, rounds }: { readonly clients: number; readonly rounds: number },
  ): Promise<Operation<Input, Output>[]> {
    const started = [0, 1, 2, 3].map((number) => {
      const own = Array.from({ length: clients / 4 }, (_, index) => number * (clients / 4) + index);
      return this.start(config, what, { clients: own, rounds });
    });
    const isDone = ({ output }: Program) => output().endsWith('end\n');
    const hasEnded = ({ child: { exitCode, signalCode } }: Program) => exitCode !== null || signalCode !== null;
    const over = () => started.every(isDone) || started.some((one) => hasEnded(one) && !isDone(one));
    await until('all are done', over, 90_000).catch(() => undefined);
    if (!started.every(isDone)) {
      const ends = started.map(({ child: { exitCode, signalCode }, output }) => {
        return `${exitCode ?? signalCode ?? 'still runs'}: ${output().slice(-200)}`;
      });
      throw new Error(`not all are done:\n${ends.join('\n')}`);
    }
    return started.flatMap((one) =>
      said(one, 'did').map((line) => {
        const { called, returned, ...rest } = JSON.parse(line) as Said;
        return { ...rest, called: BigInt(called), returned: BigInt(returned) } as Operation<Input, Output>;
      }),
    );
  }

  /** kill -9 of all that run. */
  async end(): Promise<void> {
    await Promise.all(this.#started.map(kill));
    this.#started = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.#folder[Symbol.asyncDispose]();
  }
}

export async function kill({ child, exited }: Program): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

/** A program's lines that begin so, without the last where it may be cut off. */
export function said(by: Program, first: string): string[] {
  const lines = by.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith(`${first} `)).map((line) => line.slice(first.length + 1));
}
