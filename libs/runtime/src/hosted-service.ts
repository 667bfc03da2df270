import { MicroError } from '@micro/errors';
import { build, type Built } from './build.js';
import { installDependencies } from './dependencies.js';
import type { Host } from './host.js';
import { HostedInstance } from './hosted-instance.js';
import { Presence } from './presence.js';
import type { Progress, Service, Status } from './runtime.js';
import { readSource } from './source.js';
import { SourceWatch } from './source-watch.js';
import type { SavedService } from './state-file.js';

/** Of a service without instances: more would only slow each other down. */
const startedAtOnce = 4;

/** Told each step of what is being done. */
export type Step = (progress: Progress) => void;

/** What a service is to be, as far as it is not what came of it. */
export type Definition = Pick<SavedService, 'version' | 'source' | 'command' | 'env' | 'metadata' | 'wanted' | 'watch'>;

/**
 * One service: what is wanted of it, and the instances that are there. Operations on it run one after the other; each ends with as many instances
 * of the present revision as are wanted, or with a failure and what was there before.
 */
export class HostedService {
  #saved: SavedService;
  #instances: HostedInstance[] = [];
  readonly #presence: Presence;
  #watch: SourceWatch | undefined;
  #queue: Promise<void> = Promise.resolve();
  #phase: Status | undefined;
  /** Aborts what is under way when the service is deleted. */
  readonly #life = new AbortController();
  #waiting = 0;
  #stopping: Promise<void> | undefined;

  constructor(
    readonly host: Host,
    saved: SavedService,
  ) {
    this.#saved = saved;
    this.#presence = new Presence(host.registry, saved.namespace, saved.name);
  }

  get definition(): SavedService {
    return this.#saved;
  }

  /** Whether it does, or is about to do, what was asked of it. */
  get isAlive(): boolean {
    return (
      this.#waiting > 0 ||
      this.#instances.some(({ process }) => process.state.status === 'running' || process.state.status === 'starting')
    );
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  get entries(): readonly string[] {
    return this.#saved.built ? [this.#saved.built.entry] : [];
  }

  /** Goes on where an earlier runtime was ended. */
  restore(): void {
    this.#instances = this.#saved.instances.map((one) => {
      // What was being stopped is nobody's: it is replaced, or only stopped.
      const revision = one.state.status === 'stopping' ? -1 : one.revision;
      return HostedInstance.adopt(this.#context(), { ...one, revision });
    });
    if (this.#saved.unfinished === 'build') void this.rebuild(() => undefined, 'anything');
    else void this.#enqueue(() => this.#converge(() => undefined));
    this.#watchSource();
  }

  /** Takes a new definition; builds if there is a source, and replaces all instances. Resolves when that is done or has failed. */
  define(definition: Partial<Definition>, step: Step): Promise<void> {
    this.#set({ ...definition, updatedMs: Date.now(), unfinished: 'build' });
    this.#watchSource();
    return this.rebuild(step, 'anything');
  }

  /** Builds again; replaces the instances, unless only the code could have changed and did not. */
  rebuild(step: Step, what: 'build' | 'anything'): Promise<void> {
    return this.#enqueue(async () => {
      this.#set({ unfinished: 'build' });
      const before = this.#saved.built;
      const built = this.#saved.command.length > 0 ? undefined : await this.#build(step);
      const same =
        what === 'build' && built !== undefined && built.entry === before?.entry && this.#saved.failure === '';
      this.#set({ built, unfinished: undefined, failure: '', revision: this.#saved.revision + (same ? 0 : 1) });
      await this.#converge(step);
    });
  }

  /** Starts what is missing or stops what is too many. */
  scale(wanted: number, step: Step): Promise<void> {
    this.#set({ wanted, updatedMs: Date.now() });
    const canStart = this.#saved.built !== undefined || this.#saved.command.length > 0;
    if (!canStart) return this.rebuild(step, 'anything');
    return this.#enqueue(() => this.#converge(step));
  }

  /** Stops everything for good. What is under way is given up. A second call waits for the same. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  view(): Service {
    const { name, version, source, command, metadata, updatedMs, wanted, watch, failure } = this.#saved;
    const instances = this.#instances.map((instance) => instance.view());
    const status = this.#status();
    const bad = instances.filter((instance) => instance.status === 'error');
    const share = instances.length > 1 ? `${bad.length} of ${instances.length} instances: ` : '';
    const message = status === 'error' && bad[0] && failure === '' ? `${share}${bad[0].message}` : failure;
    return { name, version, source, command, metadata, status, message, instances, updatedMs, wanted, watch };
  }

  save(): SavedService {
    return { ...this.#saved, instances: this.#instances.map((instance) => instance.save()) };
  }

  async #stop(): Promise<void> {
    this.#life.abort(new MicroError('canceled', `${this.#saved.name} is being stopped`, { id: 'runtime' }));
    this.#phase = 'stopping';
    this.#set({ unfinished: 'delete' });
    await this.#watch?.close();
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    await this.#queue;
    // One that was being started when the others were stopped.
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    this.#instances = [];
    this.#presence.close();
  }

  #status(): Status {
    const statuses = this.#instances
      .map(({ process }) => process.state.status)
      .filter((status) => status !== 'stopping');
    if (this.#phase === 'stopping') return 'stopping';
    if (this.#phase && !statuses.includes('running')) return this.#phase;
    if (statuses.includes('error')) return 'error';
    if (statuses.length === 0) return this.#saved.failure === '' ? 'pending' : 'error';
    if (statuses.includes('starting') || statuses.includes('pending')) return 'starting';
    return statuses.includes('running') ? 'running' : 'stopped';
  }

  /** One operation after the other. A failure is the service's, not the caller's. */
  #enqueue(operation: () => Promise<void>): Promise<void> {
    this.#waiting++;
    const done = this.#queue.then(async () => {
      try {
        if (!this.#life.signal.aborted) await operation();
      } catch (error) {
        if (!this.#life.signal.aborted) this.#fail(MicroError.from(error));
      } finally {
        this.#waiting--;
        if (this.#phase !== 'stopping') this.#phase = undefined;
        this.host.changed();
      }
    });
    this.#queue = done;
    return done;
  }

  #fail(error: MicroError): void {
    if (error.code === 'internal')
      this.host.logger.error('a service could not be brought to run', { service: this.#saved.name, error });
    this.#set({ failure: error.detail, unfinished: undefined });
    this.#say('stderr', error.detail);
  }

  async #build(step: Step): Promise<Built> {
    const tell = (text: string) => this.#tell(step, 'building', text);
    tell(`building ${this.#saved.source}`);
    const source = readSource(this.#saved.source);
    const { signal } = this.#life;
    await installDependencies(source, {
      env: this.host.env,
      step: tell,
      line: (stream, text) => this.#say(stream, text),
      signal,
    });
    return build(source, { step: tell, signal, inUse: this.host.entriesInUse() });
  }

  /**
   * As many instances of the present revision as are wanted, and no others. Each new one is ready before an old one is stopped. Where nobody
   * can be calling the old one it is stopped first: it may hold a port that the new one needs.
   */
  async #converge(step: Step): Promise<void> {
    await this.#presence.ready();
    const stale = () => this.#instances.filter(({ revision }) => revision !== this.#saved.revision);
    const fresh = () => this.#instances.filter(({ revision }) => revision === this.#saved.revision);
    for (
      let old = stale()[0];
      old && fresh().length < this.#saved.wanted && !this.#life.signal.aborted;
      old = stale()[0]
    ) {
      const reachable = old.isReachable;
      if (!reachable) await this.#remove(old, step);
      await this.#start(step, reachable);
      if (reachable) await this.#remove(old, step);
    }
    while (fresh().length < this.#saved.wanted && !this.#life.signal.aborted) {
      const missing = Math.min(startedAtOnce, this.#saved.wanted - fresh().length);
      await Promise.all(Array.from({ length: missing }, () => this.#start(step, false)));
    }
    for (const one of [...stale(), ...fresh().slice(this.#saved.wanted)]) await this.#remove(one, step);
  }

  /** Starts one more. If it does not get ready it is taken away again, where it was to replace a healthy one; else it stays, and is tried again. */
  async #start(step: Step, replacesHealthy: boolean): Promise<void> {
    const instance = new HostedInstance(this.#context());
    this.#instances.push(instance);
    this.#tell(step, 'starting', `starting ${instance.id}`);
    try {
      await instance.process.start();
      const { address } = instance.view();
      this.#tell(step, 'running', `${instance.id} is running${address ? ` at ${address}` : ''}`);
    } catch (error) {
      if (this.#life.signal.aborted || instance.process.state.status === 'stopped') return;
      const { detail } = MicroError.from(error);
      if (!replacesHealthy) {
        this.#tell(step, 'error', detail);
        return;
      }
      await this.#remove(instance, step);
      throw new MicroError('failed_precondition', `the old instances go on, because the new one failed: ${detail}`, {
        id: 'runtime',
        cause: error,
      });
    }
  }

  async #remove(instance: HostedInstance, step: Step): Promise<void> {
    this.#tell(step, 'stopping', `stopping ${instance.id}`);
    await instance.stop();
    this.#instances = this.#instances.filter((one) => one !== instance);
    this.host.changed();
  }

  #context() {
    const { built } = this.#saved;
    const mustRegister =
      this.host.registry !== undefined &&
      ((built?.registers ?? false) || this.#instances.some(({ hasRegistered }) => hasRegistered));
    return {
      host: this.host,
      presence: this.#presence,
      service: this.#saved,
      mustRegister,
      changed: () => this.host.changed(),
    };
  }

  #watchSource(): void {
    const { source, command, watch } = this.#saved;
    void this.#watch?.close();
    this.#watch = undefined;
    if (!watch || source === '') return;
    const changed = (what: 'build' | 'anything') => void this.rebuild(() => undefined, what);
    this.#watch = new SourceWatch({
      folder: source,
      built: command.length === 0,
      debounce: this.host.timing.debounce,
      changed,
    });
  }

  #tell(step: Step, status: Status, text: string): void {
    this.#phase =
      this.#phase === 'stopping' ? this.#phase : status === 'building' || status === 'starting' ? status : undefined;
    step({ status, step: text });
    // The service's log is about what it does; of what is done with it only building leaves something to be looked up later.
    if (status === 'building') this.#say('stdout', text);
  }

  #say(stream: 'stdout' | 'stderr', text: string): void {
    const { namespace, name } = this.#saved;
    this.host.logs.write({ namespace, service: name, instance: 'build' }, stream, text.split('\n'));
  }

  #set(change: Partial<SavedService>): void {
    this.#saved = { ...this.#saved, ...change };
    this.host.changed();
  }
}
