import { networkInterfaces } from 'node:os';
import type { ServiceDefinition } from '@micro/proto';
import { type Address, formatAddress } from './address.js';
import { describe } from './describe.js';
import type { Platform } from './platform.js';
import { Registration } from './registration.js';

/** What answers calls on a port: an RpcServer, or Nest around one. */
export interface Listener {
  listen(): Promise<Address>;
  services(): readonly ServiceDefinition[];
  /** Whether health checks are answered with yes. */
  setServing(serving: boolean): void;
  /** Refuses new calls, finishes those that have begun within `graceMs`, then closes. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

export interface HostOptions {
  readonly name: string;
  readonly version: string;
  /** Added to the node's in the registry. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether it is one of the platform's own, which serve callers of every namespace. Default no. */
  readonly shared?: boolean;
  /** Resolves once all that it needs is there: until then it answers, and says that it is not ready. Default: at once. */
  readonly reach?: (signal: AbortSignal) => Promise<void>;
}

/** A service that listens and is registered, until it is stopped. */
export class Hosted implements AsyncDisposable {
  readonly name: string;
  /** `host:port`, as others reach it. */
  readonly address: string;
  /** Settles when it is ready, or is being stopped; rejects with what waiting does not mend. */
  readonly ready: Promise<void>;
  readonly #platform: Platform;
  readonly #listener: Listener;
  readonly #registration: Registration;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;

  private constructor(
    platform: Platform,
    listener: Listener,
    registration: Registration,
    options: { name: string; address: string; reach: HostOptions['reach'] },
  ) {
    this.#platform = platform;
    this.#listener = listener;
    this.#registration = registration;
    this.name = options.name;
    this.address = options.address;
    this.ready = this.#becomeReady(options.reach);
    // Whoever does not ask is told by the health checks.
    this.ready.catch(() => undefined);
  }

  /** Listens, registers and says so. Whatever fails, nothing is left open. */
  static async start(platform: Platform, listener: Listener, options: HostOptions): Promise<Hosted> {
    const { name, version, metadata, shared, reach } = options;
    const { environment, logger, registry } = platform;
    const { host, port } = await listener.listen();
    // Ready once it can be found.
    listener.setServing(false);
    try {
      const { region, zone, namespace } = environment;
      const address = formatAddress({ host: reachable(host), port });
      const services = listener.services();
      const service = describe({
        name,
        version,
        nodeId: platform.nodeId(name),
        address,
        region,
        zone,
        services,
        metadata,
        shared,
      });
      const registration = new Registration(registry, service, { namespace, logger });
      await registration.start();
      logger.info(`${name} listening on ${address}`);
      return new Hosted(platform, listener, registration, { name, address, reach });
    } catch (error) {
      await listener.close({ graceMs: 0 });
      throw error;
    }
  }

  /**
   * Deregisters, goes on answering while the news spreads, finishes what has begun, closes. No call is lost on the way. A second call
   * waits for the first.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Without anything to wait for it is ready when it has been made. */
  async #becomeReady(reach: HostOptions['reach']): Promise<void> {
    const { signal } = this.#stopping;
    if (reach) await reach(signal);
    if (!signal.aborted) this.#listener.setServing(true);
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    const { delay, grace } = this.#platform.config.stop;
    this.#listener.setServing(false);
    await this.#registration.stop();
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    await this.#listener.close({ graceMs: grace });
  }
}

/** A host that others can connect to: of one that listens everywhere, the first address that is not loopback. */
function reachable(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outward = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  return outward?.address ?? (host === '::' ? '::1' : '127.0.0.1');
}
