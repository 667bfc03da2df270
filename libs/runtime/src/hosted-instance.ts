import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import type { Host } from './host.js';
import type { Presence } from './presence.js';
import { staysUp } from './ready.js';
import type { Instance } from './runtime.js';
import type { SavedInstance, SavedService } from './state-file.js';
import type { ProcessSpec, ReadyProbe } from './process-spec.js';
import { SupervisedProcess } from './supervised.js';

export interface InstanceContext {
  readonly host: Host;
  readonly presence: Presence;
  /** What the service was like when the instance was made. */
  readonly service: SavedService;
  /** Whether it is ready only once it has registered: it uses the SDK, or those that it replaces had registered. */
  readonly mustRegister: boolean;
  readonly changed: () => void;
}

/** One process of a service, with its log and its place in the registry. */
export class HostedInstance {
  readonly revision: number;
  readonly version: string;
  readonly process: SupervisedProcess;

  constructor(
    readonly context: InstanceContext,
    readonly id = `${context.service.name}-${randomBytes(4).toString('hex')}`,
  ) {
    this.revision = context.service.revision;
    this.version = context.service.version;
    this.process = new SupervisedProcess(this.#spec());
  }

  /** Takes over what an earlier runtime started. */
  static adopt(context: InstanceContext, saved: SavedInstance): HostedInstance {
    const service = { ...context.service, revision: saved.revision, version: saved.version };
    const instance = new HostedInstance({ ...context, service }, saved.id);
    instance.process.adopt(saved.state);
    return instance;
  }

  get isRunning(): boolean {
    return this.process.state.status === 'running';
  }

  /** Whether calls may be on their way to it. */
  get isReachable(): boolean {
    return this.isRunning && this.context.presence.address(this.id) !== '';
  }

  get hasRegistered(): boolean {
    return this.context.presence.wasRegistered(this.id);
  }

  /** Resolves when it is gone, its log complete and its node off the registry. */
  async stop(): Promise<void> {
    const { host, presence } = this.context;
    await this.process.stop();
    await host.logs.close(this.id);
    await presence.withdraw(this.id, this.version);
    presence.forget(this.id);
  }

  view(): Instance {
    const { status, message, pid, address, restarts, startedMs } = this.process.state;
    return {
      id: this.id,
      status,
      message,
      pid,
      address: this.context.presence.address(this.id) || address,
      restarts,
      startedMs,
    };
  }

  save(): SavedInstance {
    return { id: this.id, revision: this.revision, version: this.version, state: this.process.state };
  }

  #spec(): ProcessSpec {
    const { host, presence, service, mustRegister, changed } = this.context;
    const { namespace, name, built } = service;
    if (!built?.registers) presence.expectForeign(this.id);
    return {
      name: this.id,
      command: built ? [process.execPath, '--enable-source-maps', built.entry] : service.command,
      cwd: service.source || homedir(),
      env: this.#environment(),
      output: host.logs.open({ namespace, service: name, instance: this.id }),
      ready: this.#ready(mustRegister),
      readyTimeout: host.timing.ready,
      notReady: 'it runs, but has not registered',
      restart: {
        ...host.timing.restart,
        // A program that ends well and was never to be called has done its job; a service is to go on.
        when: ({ code }) => code !== 0 || presence.wasRegistered(this.id) || mustRegister,
      },
      grace: host.timing.grace,
      onChange: changed,
      onExit: async () => {
        await Promise.all([host.logs.finish(this.id), presence.withdraw(this.id, this.version)]);
      },
    };
  }

  #ready(mustRegister: boolean): ReadyProbe {
    const { host, presence } = this.context;
    return (launched) => {
      const registers = presence.appears(this.id, launched.signal);
      return mustRegister ? registers : Promise.race([registers, staysUp(host.timing.settle)(launched)]);
    };
  }

  #environment(): Record<string, string | undefined> {
    const { host, service } = this.context;
    return {
      MICRO_ADDRESS: '127.0.0.1:0',
      ...host.env,
      MICRO_PROFILE: 'service',
      ...service.env,
      MICRO_NAME: service.name,
      MICRO_VERSION: this.version,
      MICRO_NAMESPACE: service.namespace,
      MICRO_NODE_ID: this.id,
    };
  }
}
