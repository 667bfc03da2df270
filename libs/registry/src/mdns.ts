import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Catalog, type PlacementKey, registrationTime } from './catalog.js';
import { encodeContent } from './content.js';
import { Watches } from './event-queue.js';
import { Announcer } from './mdns-announcer.js';
import { Browser } from './mdns-browser.js';
import { type Announcement, labelOf, packBlob, serviceType } from './mdns-records.js';
import { MulticastSocket, type Received } from './mdns-socket.js';
import {
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import { SharedFileRegistry } from './shared-file.js';
import { checkedNamespace, checkedTtl, checkService, closed } from './validation.js';

export interface MdnsOptions {
  /** IPv4 address of the interface; default 127.0.0.1, so that nothing leaves the machine. */
  readonly interface?: string;
  /** UDP port, default 5353. */
  readonly port?: number;
  /** Used instead where multicast does not work. */
  readonly fallbackFile: string;
  /** Told, once and in plain words, what does not work. Default: a process warning. */
  readonly warn?: (message: string) => void;
  /**
   * Leaves registrations to expire when the registry closes: for a process that registers on behalf of others, which renew what they
   * registered and shall not notice that it was restarted.
   */
  readonly keepOnClose?: boolean;
}

/** How often, and how long after each other, a packet of our own is sent to see whether it comes back. */
const probes = { times: 4, wait: 250 } as const;

/** A registry over multicast DNS; where multicast does not work, one over a shared file, and one sentence that says so. */
export async function openMdns(options: MdnsOptions): Promise<Registry> {
  const registry = new MdnsRegistry(options);
  const problem = await registry.start();
  if (problem === undefined) return registry;
  await registry.close();
  const { interface: address = '127.0.0.1', fallbackFile, warn = warnProcess } = options;
  warn(
    `multicast does not work on ${address} (${problem}), so services of this machine find each other through the file ${fallbackFile}`,
  );
  return new SharedFileRegistry(fallbackFile, options);
}

/**
 * Services announced by the processes that run them, as DNS-SD (RFC 6763) over multicast DNS (RFC 6762): no server, nothing to install.
 * What this process registered it answers for; what others announce it keeps in a catalog, until their goodbye or the end of their time
 * to live.
 */
export class MdnsRegistry extends Registry {
  readonly #options: Required<Pick<MdnsOptions, 'interface' | 'port' | 'keepOnClose' | 'warn'>>;
  /** Marks our own goodbyes and probes. */
  readonly #by = randomBytes(8).toString('hex');
  readonly #catalog = new Catalog((key) => this.#expired(key));
  readonly #watches = new Watches();
  readonly #browser: Browser;
  #socket: MulticastSocket | undefined;
  #announcer: Announcer | undefined;
  #probeSeen: (() => void) | undefined;
  #works = false;
  #problem: string | undefined;
  #closed = false;

  constructor(options: MdnsOptions) {
    super();
    const { interface: address = '127.0.0.1', port = 5353, keepOnClose = false, warn = warnProcess } = options;
    this.#options = { interface: address, port, keepOnClose, warn };
    this.#browser = new Browser({
      interface: address,
      port,
      catalog: this.#catalog,
      by: this.#by,
      isOwn: (label) => this.#announcer?.has(label) ?? false,
      dismissed: (label) => this.#dismissed(label),
      failed: (error) => this.#failed(error),
    });
  }

  /** Opens the socket and sees whether multicast works; what is wrong, if it does not. Called once, before anything else. */
  async start(): Promise<string | undefined> {
    const { interface: address, port } = this.#options;
    if (!isLocal(address)) return `no interface of this machine has the address ${address}`;
    const receive = (packet: Received) => this.#receive(packet);
    try {
      this.#socket = await MulticastSocket.listen({
        interface: address,
        port,
        receive,
        failed: (error) => this.#failed(error),
        wantsResponses: () => this.#browser.isLooking,
      });
    } catch (error) {
      return (error as Error).message;
    }
    this.#announcer = new Announcer(this.#socket, this.#by);
    for (let times = 0; times < probes.times && this.#problem === undefined; times++) {
      if (await this.#probe(this.#socket)) return undefined;
    }
    return this.#problem ?? 'packets that are sent do not arrive';
  }

  override async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    const announcer = this.#open();
    const namespace = checkedNamespace(options.namespace);
    const ttl = checkedTtl(options.ttl);
    checkService(service);
    const { name, version } = service;
    const { content, hash, bytes } = encodeContent(service);
    // A renewal does not compress again what the first registration did.
    const packed = service.nodes[0] && announcer.blob({ namespace, name, version, id: service.nodes[0].id }, hash);
    const blob = packed ?? packBlob(bytes, hash);
    const time = registrationTime();
    const announcements = service.nodes.map(({ id, address, metadata }): Announcement => {
      const key = { namespace, name, version, id };
      const since = this.#catalog.since(key, hash) ?? time;
      const node = { id, address, metadata: { ...metadata } };
      this.#catalog.put({ namespace, name, version, node, content, hash, since, ttl });
      this.#browser.forget(key);
      return { namespace, name, version, node, service: blob, since, ttl };
    });
    this.#catalog.flush();
    await announcer.announce(announcements);
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: RegistryOptions = {},
  ): Promise<void> {
    const announcer = this.#open();
    const namespace = checkedNamespace(options.namespace);
    const keys = service.nodes.map(({ id }) => ({ namespace, name: service.name, version: service.version, id }));
    for (const key of keys) {
      this.#catalog.remove(key);
      this.#browser.dismiss(key);
    }
    this.#catalog.flush();
    await announcer.withdraw(keys);
  }

  override async get(name: string, options: RegistryOptions = {}): Promise<readonly Service[]> {
    this.#open();
    const namespace = checkedNamespace(options.namespace);
    return this.#browser.reading(namespace, async () => {
      // Absence is believed only when even a busy process would have answered.
      await this.#browser.appears(() => this.#catalog.get(namespace, name).length > 0);
      return this.#catalog.get(namespace, name);
    });
  }

  override async list(options: RegistryOptions = {}): Promise<readonly Service[]> {
    this.#open();
    const namespace = checkedNamespace(options.namespace);
    return this.#browser.reading(namespace, () => this.#catalog.list(namespace));
  }

  override watch({ namespace, name, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#watches.open(signal, async (queue) => {
      const checked = checkedNamespace(namespace);
      await this.#browser.reading(checked, () => {
        this.#catalog.watch(queue, checked, name);
        return new Promise<void>((resolve) => queue.onEnd(resolve));
      });
    });
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    this.#catalog.close();
    await this.#announcer?.close({ withdraw: !this.#options.keepOnClose });
    await Promise.all([this.#browser.close(), this.#socket?.close()]);
  }

  #open(): Announcer {
    if (this.#closed || !this.#announcer) throw closed();
    return this.#announcer;
  }

  #receive(packet: Received): void {
    if (this.#closed) return;
    if (packet.type === 'response') return this.#browser.receive(packet);
    if (packet.questions[0]?.name === this.#probeName) this.#probeSeen?.();
    this.#announcer?.answer(packet);
  }

  #expired(key: PlacementKey): void {
    if (!this.#announcer?.has(labelOf(key))) return this.#browser.forget(key);
    this.#browser.dismiss(key);
    void this.#announcer.withdraw([key]);
  }

  #dismissed(label: string): void {
    const key = this.#announcer?.forget(label);
    if (key) this.#catalog.remove(key);
  }

  #failed(error: Error): void {
    this.#problem ??= error.message;
    if (this.#works) this.#options.warn(`a packet could not be sent over multicast DNS: ${error.message}`);
  }

  get #probeName(): string {
    return `${this.#by}.probe.${serviceType}`;
  }

  async #probe(socket: MulticastSocket): Promise<boolean> {
    const seen = new Promise<boolean>((resolve) => {
      this.#probeSeen = () => resolve(true);
    });
    await socket.query([{ name: this.#probeName, type: 'TXT' }]);
    const wait = new AbortController();
    const late = sleep(probes.wait, false, { signal: wait.signal }).catch(() => false);
    this.#works = await Promise.race([seen, late]);
    wait.abort();
    return this.#works;
  }
}

function isLocal(address: string): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return address.startsWith('127.') || addresses.some((one) => one.address === address);
}

function warnProcess(message: string): void {
  process.emitWarning(message, 'MicroRegistry');
}
