import { MicroError } from '@micro/errors';
import { type ProcessSpec, SupervisedProcess } from './supervised.js';

export interface SupervisorSpec extends ProcessSpec {
  /** Names of those that must be running before this one is started, and that are stopped after it. */
  readonly after?: readonly string[];
}

/** Several processes that are started and stopped in the order of their dependencies: `micro server` is one. */
export class Supervisor {
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #specs: readonly SupervisorSpec[];
  #stopping: Promise<void> | undefined;

  /** MicroError `invalid_argument` for a name given twice, a dependency that is not there, or a circle of them. */
  constructor(specs: readonly SupervisorSpec[]) {
    this.#specs = specs;
    for (const spec of specs) {
      if (this.#processes.has(spec.name))
        throw new MicroError('invalid_argument', `two processes are named ${spec.name}`);
      this.#processes.set(spec.name, new SupervisedProcess(spec));
    }
    for (const { name } of specs) this.#checkOrder(name, []);
  }

  /** In the order in which they were given. */
  get processes(): readonly SupervisedProcess[] {
    return [...this.#processes.values()];
  }

  process(name: string): SupervisedProcess | undefined {
    return this.#processes.get(name);
  }

  /**
   * Starts all, each as soon as those before it are running; resolves when all are. If one fails, stops what had been started and throws its
   * error. From then on each is started again when it dies.
   */
  async start(): Promise<void> {
    const started = new Map<string, Promise<void>>();
    const start = (name: string): Promise<void> => {
      const known = started.get(name);
      if (known) return known;
      const { after = [] } = this.#spec(name);
      const promise = Promise.all(after.map(start)).then(() => {
        if (this.#stopping) throw new MicroError('canceled', `${name} was not started: everything is being stopped`);
        return this.#processes.get(name)?.start();
      });
      started.set(name, promise);
      return promise;
    };
    try {
      await Promise.all(this.#specs.map(({ name }) => start(name)));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops all, each as soon as those that need it are gone; resolves when no process is left. A second call waits for the same. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** SIGKILL to all, at once, without waiting: for the `exit` event, and for who will not wait any longer. */
  kill(): void {
    for (const process of this.processes) process.kill();
  }

  async #stop(): Promise<void> {
    const stopped = new Map<string, Promise<void>>();
    const stop = (name: string): Promise<void> => {
      const known = stopped.get(name);
      if (known) return known;
      const dependents = this.#specs.filter(({ after = [] }) => after.includes(name));
      const promise = Promise.all(dependents.map((dependent) => stop(dependent.name))).then(() =>
        this.#processes.get(name)?.stop(),
      );
      stopped.set(name, promise);
      return promise;
    };
    await Promise.all(this.#specs.map(({ name }) => stop(name)));
  }

  #spec(name: string): SupervisorSpec {
    const spec = this.#specs.find((one) => one.name === name);
    if (!spec) throw new MicroError('invalid_argument', `no process is named ${name}`);
    return spec;
  }

  #checkOrder(name: string, path: readonly string[]): void {
    if (path.includes(name))
      throw new MicroError('invalid_argument', `processes wait for each other: ${[...path, name].join(' → ')}`);
    for (const before of this.#spec(name).after ?? []) this.#checkOrder(before, [...path, name]);
  }
}
