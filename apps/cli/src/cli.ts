import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { exitCodes } from './failure.js';
import type { GlobalFlags } from './global-flags.js';
import { Output, type Sink } from './output/output.js';
import { wantsColor } from './output/paint.js';
import { Connection } from './remote/connection.js';
import { resolveSettings, type Settings, type Variables } from './settings.js';

/** Where a run of `micro` reads and writes. */
export interface CliStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** What every command is given: its surroundings, and what flags, variables and files make of them. */
export class Cli {
  /** With which a command ends that has not failed: of a program that it ran in its place, that of the program. */
  exitCode: number = exitCodes.ok;
  #flags: GlobalFlags;
  #settings: Settings | undefined;
  #output: Output | undefined;
  #connection: Connection | undefined;

  constructor(
    readonly variables: Variables,
    readonly streams: CliStreams,
    flags: GlobalFlags = {},
  ) {
    this.#flags = flags;
  }

  get flags(): GlobalFlags {
    return this.#flags;
  }

  /** Global flags that stood after the command's name. They must be added before anything is asked of the settings. */
  addFlags(flags: GlobalFlags): void {
    this.setFlags({ ...this.#flags, ...flags });
  }

  /** All of the global flags anew; a connection that they would not have made is given up. */
  setFlags(flags: GlobalFlags): void {
    this.#flags = flags;
    this.#settings = undefined;
    this.#output = undefined;
    const { proxyAddress, namespace } = this.#connection ? this.settings : { proxyAddress: '', namespace: '' };
    if (this.#connection?.options.address === proxyAddress && this.#connection.options.namespace === namespace) return;
    void this.#connection?.close();
    this.#connection = undefined;
  }

  get settings(): Settings {
    return (this.#settings ??= resolveSettings(this.#flags, this.variables));
  }

  get out(): Output {
    const { stdout, stderr } = this.streams;
    const colors = { stdout: wantsColor(stdout, this.variables), stderr: wantsColor(stderr, this.variables) };
    return (this.#output ??= new Output(this.settings.output, stdout, stderr, colors));
  }

  /** The way to the environment's proxy; opened by the first call. */
  get connection(): Connection {
    const { proxyAddress: address, origin, namespace } = this.settings;
    return (this.#connection ??= new Connection({ address, origin, namespace }));
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }
}

/** Version of this package. */
export function cliVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
