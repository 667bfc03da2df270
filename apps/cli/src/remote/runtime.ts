import { statSync } from 'node:fs';
import { resolve as absolute } from 'node:path';
import { MicroError } from '@micro/errors';
import { runtimeProto } from '@micro/proto';
import type { CallOptions, ClientOf } from '@micro/rpc';
import type { Cli } from '../cli.js';
import { exitCodes, Failure } from '../failure.js';
import type { Progress as Shown } from '../output/progress.js';
import { didYouMean } from '../suggest.js';

export type RuntimeService = runtimeProto.Service;
export type RuntimeInstance = runtimeProto.Instance;
type RuntimeClient = ClientOf<typeof runtimeProto.Runtime>;

/** Building and stopping take longer than a call. */
const patience = 120_000;

/** What runs services, behind the environment's proxy. All errors are Failures; an unknown service has its own exit code. */
export class RuntimeConnection {
  readonly #cli: Cli;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  /** Services by name; all, or the one of that name. */
  async read(name = ''): Promise<RuntimeService[]> {
    const client = await this.#client();
    return (await this.#guarded(() => client.read({ name }, this.#options))).services;
  }

  /**
   * The name of the one service that a word means: a name, or a folder that a service was started from. Failure with the nearest names if there
   * is none.
   */
  async nameOf(word: string): Promise<string> {
    const services = await this.read();
    if (services.some(({ name }) => name === word)) return word;
    const bySource = isFolder(word) ? services.filter(({ source }) => source === absolute(word)) : [];
    if (bySource.length > 1)
      throw new Failure(
        `several services run from ${word}: say which of ${bySource.map(({ name }) => name).join(', ')}`,
      );
    if (bySource[0]) return bySource[0].name;
    const names = services.map(({ name }) => name);
    const there =
      names.length > 0 ? `there are ${names.join(', ')}` : 'nothing runs; start something with `micro run .`';
    throw new Failure(
      `no service "${word}" runs in namespace ${this.#cli.settings.namespace}${didYouMean(word, names)} (${there})`,
      { exitCode: exitCodes.unreachable },
    );
  }

  /** Creates a service, telling each step; resolves to what came of it. */
  async create(request: Partial<runtimeProto.CreateRequest>, shown: Shown): Promise<RuntimeService> {
    const client = await this.#client();
    return this.#guarded(() => lastOf(client.create(request, this.#options), shown));
  }

  async update(request: Partial<runtimeProto.UpdateRequest>, shown: Shown): Promise<RuntimeService> {
    const client = await this.#client();
    return this.#guarded(() => lastOf(client.update(request, this.#options), shown));
  }

  async delete(name: string): Promise<void> {
    const client = await this.#client();
    await this.#guarded(() => client.delete({ name }, { ...this.#options, timeout: patience }));
  }

  async *logs(request: Partial<runtimeProto.LogsRequest>): AsyncGenerator<runtimeProto.LogLine> {
    const client = await this.#client();
    try {
      yield* client.logs(request, this.#options);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  get #options(): CallOptions {
    return { service: 'runtime', namespace: this.#cli.settings.namespace };
  }

  async #client(): Promise<RuntimeClient> {
    const client = await this.#cli.connection.client();
    return client.of(runtimeProto.Runtime, { service: 'runtime' });
  }

  async #guarded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): Failure {
    const cause = MicroError.from(error);
    if (cause.code === 'not_found' && cause.id === 'runtime')
      return new Failure(cause.detail, { exitCode: exitCodes.unreachable, cause });
    // What was asked for cannot be done, and the detail says why: no failed call, as far as people are concerned.
    if (cause.id === 'runtime' && refusals.has(cause.code)) return new Failure(cause.detail, { cause });
    return this.#cli.connection.failure(error, 'runtime');
  }
}

const refusals: ReadonlySet<string> = new Set([
  'invalid_argument',
  'already_exists',
  'failed_precondition',
  'unimplemented',
]);

const statusNames = ['pending', 'building', 'starting', 'running', 'stopping', 'stopped', 'error'] as const;

/** A status as people and JSON know it. */
export function statusName(status: number): string {
  return statusNames[status] ?? 'unknown';
}

/** Whether the word names a folder that is there. */
export function isFolder(word: string): boolean {
  return statSync(word, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Shows the steps. A step that failed says what came of it once more: it is shown only if what came of it is something else. */
async function lastOf(steps: AsyncIterable<runtimeProto.Progress>, shown: Shown): Promise<RuntimeService> {
  let service: RuntimeService | undefined;
  const failed: string[] = [];
  for await (const { step, status, service: result } of steps) {
    service = result ?? service;
    if (statusName(status) === 'error') failed.push(step);
    else if (step) shown.step(step);
  }
  if (!service) throw new MicroError('internal', 'the runtime did not say what came of it: see `micro status`');
  if (statusName(service.status) !== 'error') for (const step of failed) if (step) shown.step(step);
  return service;
}
