import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import { type Logger, silentLogger } from '@micro/telemetry';
import { Channel } from './channel.js';
import type { Host, Timing } from './host.js';
import { HostedService } from './hosted-service.js';
import { LogCollector } from './log-collector.js';
import type { LogFileOptions } from './log-file.js';
import { readLogs } from './log-reader.js';
import { endLeftover, isLiving } from './leftovers.js';
import { processIdentity } from './process-identity.js';
import { checkCreate, checkUpdate } from './requests.js';
import {
  type CreateService,
  type FollowOptions,
  type LogLine,
  type LogsQuery,
  type Progress,
  Runtime,
  type RuntimeOptions,
  type Service,
  type UpdateService,
} from './runtime.js';
import { checkName } from './source.js';
import { type SavedState, StateFile, stateFolder } from './state-file.js';

export interface ProcessRuntimeOptions {
  /** Folder of all data: state and spools under `runtime/`, log files under `logs/`. */
  readonly home: string;
  /** Variables that services inherit, such as PATH. Those that begin with `MICRO_` are the platform's and left out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `MICRO_…` variables that services are told: addresses of registry and proxy, region and zone. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Where services register. Without one, a program that stays up counts as running. */
  readonly registry?: Registry;
  /**
   * Whose runtime this is. Processes that a runtime of the same session left behind are taken over, those of another are ended. Default: the
   * parent process, so that a supervisor's next runtime goes on, and the next supervisor's begins anew.
   */
  readonly session?: string;
  readonly log?: LogFileOptions;
  readonly timing?: Partial<Timing>;
  readonly logger?: Logger;
}

/**
 * Runs services as processes of this machine. They do not depend on the runtime's own process: after its death they go on, and the next runtime
 * of the same session takes them over. Only `close` stops them.
 */
export class ProcessRuntime extends Runtime {
  readonly #services = new Map<string, HostedService>();
  readonly #host: Host;
  readonly #state: StateFile;
  readonly #session: string;
  readonly #logger: Logger;
  readonly #life = new AbortController();
  #saving = false;
  #closing: Promise<void> | undefined;

  private constructor(options: ProcessRuntimeOptions, state: StateFile) {
    super();
    const { home, env, variables, registry, timing, logger = silentLogger } = options;
    this.#state = state;
    this.#logger = logger;
    this.#session = options.session ?? parentSession();
    this.#host = {
      logs: new LogCollector({ ...options.log, logs: join(home, 'logs'), spool: join(home, 'runtime/spool') }),
      registry,
      env: { ...inherited(env), MICRO_HOME: home, ...variables },
      logger,
      timing: { ready: 60_000, settle: 1_500, grace: 12_000, debounce: 150, restart: {}, ...timing },
      changed: () => this.#saveSoon(),
      entriesInUse: () => new Set([...this.#services.values()].flatMap(({ entries }) => entries)),
    };
  }

  /** MicroError `failed_precondition` where another runtime uses the same home, or where it cannot be written. */
  static async open(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
    const state = new StateFile(stateFolder(options.home));
    const runtime = new ProcessRuntime(options, state);
    await runtime.#restore(state.load());
    return runtime;
  }

  override async *create(request: CreateService, options: RuntimeOptions = {}): AsyncGenerator<Progress> {
    this.#checkOpen();
    const namespace = namespaceOf(options);
    const { name, definition } = checkCreate(request);
    const key = keyOf(namespace, name);
    for (let last = this.#services.get(key); last?.isStopping; last = this.#services.get(key))
      await this.#stopped(key, last);
    const known = this.#services.get(key);
    if (known?.isAlive && !request.force) {
      const hint = 'stop it first, update it, or replace it with --force';
      throw new MicroError('already_exists', `${name} is already running in namespace ${namespace}: ${hint}`, {
        id: 'runtime',
      });
    }
    const service = known ?? new HostedService(this.#host, { ...definition, namespace, name, ...nothingYet });
    this.#services.set(key, service);
    yield* this.#work(service, (step) => service.define(definition, step));
  }

  override async read(
    filter: { readonly name?: string } = {},
    options: RuntimeOptions = {},
  ): Promise<readonly Service[]> {
    const prefix = keyOf(namespaceOf(options), '');
    const views = [...this.#services].filter(([key]) => key.startsWith(prefix)).map(([, service]) => service.view());
    return views.filter(({ name }) => !filter.name || name === filter.name).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  override async *update(change: UpdateService, options: RuntimeOptions = {}): AsyncGenerator<Progress> {
    this.#checkOpen();
    const service = this.#get(change.name, options);
    const { instances, ...definition } = checkUpdate(change, service.definition);
    if (definition.onlyScale) yield* this.#work(service, (step) => service.scale(instances, step));
    else yield* this.#work(service, (step) => service.define({ ...definition.change, wanted: instances }, step));
  }

  override async delete(name: string, options: RuntimeOptions = {}): Promise<void> {
    await this.#stopped(keyOf(namespaceOf(options), name), this.#get(name, options));
  }

  override async *logs(query: LogsQuery, options: FollowOptions = {}): AsyncGenerator<LogLine> {
    const owner = { namespace: namespaceOf(options), service: checkName('name', query.name) };
    if (!this.#services.has(keyOf(owner.namespace, owner.service)) && !existsSync(this.#host.logs.folder(owner))) {
      throw notFound(owner.service, owner.namespace);
    }
    const signal = AbortSignal.any([this.#life.signal, ...(options.signal ? [options.signal] : [])]);
    yield* readLogs(this.#host.logs, owner, { ...query, signal });
  }

  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#life.abort();
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
    this.#services.clear();
    await this.#host.logs.dispose();
    this.#state.remove();
  }

  async #stopped(key: string, service: HostedService): Promise<void> {
    await service.stop();
    if (this.#services.get(key) === service) this.#services.delete(key);
    this.#saveSoon();
  }

  /** Tells the steps of what is done, and in the end what came of it. It is done whether or not anybody listens. */
  async *#work(
    service: HostedService,
    work: (step: (progress: Progress) => void) => Promise<void>,
  ): AsyncGenerator<Progress> {
    const channel = new Channel<Progress>();
    void work((progress) => channel.push(progress)).finally(() => channel.end());
    yield* channel;
    const view = service.view();
    yield { status: view.status, step: '', service: view };
  }

  async #restore(saved: SavedState | undefined): Promise<void> {
    if (!saved) return;
    if (saved.session !== this.#session) return this.#endLeftovers(saved);
    for (const one of saved.services) {
      const { namespace, name } = one;
      this.#logger.info('taking over a service', { service: name, namespace });
      const service = new HostedService(this.#host, one);
      this.#services.set(keyOf(namespace, name), service);
      service.restore();
      if (one.unfinished === 'delete') void this.#stopped(keyOf(namespace, name), service);
    }
  }

  /** What a dead platform has left: its processes, and output that is not yet in the log files. */
  async #endLeftovers({ services }: SavedState): Promise<void> {
    const left = services.flatMap(({ namespace, name, instances }) =>
      instances.map((one) => ({ ...one, namespace, service: name, instance: one.id })),
    );
    const alive = left.filter(isLiving);
    if (alive.length > 0)
      this.#logger.warn('ending processes that an earlier platform left behind', { processes: alive.length });
    await Promise.all(alive.map(endLeftover));
    for (const one of left) {
      this.#host.logs.open(one);
      await this.#host.logs.close(one.instance);
    }
    this.#saveSoon();
  }

  /** Everything that changes within one turn is written at once, before anything else happens. */
  #saveSoon(): void {
    if (this.#saving || this.#closing) return;
    this.#saving = true;
    queueMicrotask(() => {
      this.#saving = false;
      if (this.#closing) return;
      try {
        this.#state.save({
          session: this.#session,
          services: [...this.#services.values()].map((service) => service.save()),
        });
      } catch (error) {
        // Services run on; only a runtime that dies now leaves less behind than there was.
        this.#logger.error('the state of the services cannot be written', { error });
      }
    });
  }

  #get(name: string, options: RuntimeOptions): HostedService {
    const namespace = namespaceOf(options);
    const service = this.#services.get(keyOf(namespace, name));
    if (!service) throw notFound(name, namespace);
    return service;
  }

  #checkOpen(): void {
    if (this.#closing) throw new MicroError('unavailable', 'the runtime is being stopped', { id: 'runtime' });
  }
}

/** What a service begins with. */
const nothingYet = { updatedMs: 0, revision: 0, failure: '', instances: [] } as const;

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function namespaceOf({ namespace = 'micro' }: RuntimeOptions): string {
  return checkName('namespace', namespace);
}

function notFound(name: string, namespace: string): MicroError {
  return new MicroError(
    'not_found',
    `no service ${JSON.stringify(name.slice(0, 200))} runs in namespace ${namespace}`,
    { id: 'runtime' },
  );
}

function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MICRO_')));
}

function parentSession(): string {
  return `${process.ppid} ${processIdentity(process.ppid) ?? ''}`;
}
