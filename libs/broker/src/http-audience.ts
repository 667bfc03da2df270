import { MicroError } from '@micro/errors';
import type { Registry, Service } from '@micro/registry';
import { type Message, patience } from './broker.js';
import { encodeFrame } from './frames.js';
import { placeOf, serviceName, type SubscriptionPlace } from './http-topic.js';
import { type Member, Outlet } from './outlet.js';

export interface AudienceOptions {
  readonly registry: Registry;
  readonly namespace: string;
  readonly topic: string;
  /** The way to a subscription. */
  readonly reach: (place: SubscriptionPlace) => Omit<Member, 'id'>;
}

interface Pending {
  readonly frame: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

/** Milliseconds that the first publisher waits for the registry to tell who is subscribed. */
const findTimeout = 5_000;

/** The subscribers of a topic as its publishers see them: kept by a watch of the registry. */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #stop = new AbortController();
  /** Of each queue, and of each subscription without. */
  readonly #outlets = new Map<string, Outlet>();
  /** Which outlet each node is in, with the address that it is known by. */
  readonly #places = new Map<string, { readonly outlet: string; readonly address: string }>();
  /** Versions of the service, of which there is one unless somebody else registers by that name. */
  readonly #versions = new Map<string, Service>();
  #pending: Pending[] = [];
  #synced: Promise<void> | undefined;
  #isSynced = false;
  #flushing = false;
  /** Messages that are not settled. */
  #open = 0;

  constructor(options: AudienceOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Resolves when everybody has the message, or has been given up on. Throws where it cannot be found out who is subscribed. */
  send(message: Message): Promise<void> {
    this.#open++;
    const sent = new Promise<void>((resolve, reject) => {
      this.#pending.push({ frame: encodeFrame(message), resolve, reject });
    });
    void this.#flush();
    return sent.finally(() => this.#open--);
  }

  close(): void {
    this.#stop.abort();
    for (const id of [...this.#places.keys()]) this.#remove(id);
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      if (!this.#isSynced) await this.#find();
      // A subscription that the publisher has just heard of may still be on its way here, behind what told him: what has arrived is read first.
      await new Promise(setImmediate);
      this.#tidy();
      for (const one of this.#pending.splice(0)) this.#hand(one);
    } catch (error) {
      for (const { reject } of this.#pending.splice(0)) reject(error);
    } finally {
      this.#flushing = false;
    }
  }

  #hand({ frame, resolve }: Pending): void {
    const deadline = performance.now() + patience;
    let left = this.#outlets.size;
    if (left === 0) return resolve();
    for (const outlet of this.#outlets.values()) {
      let settled = false;
      const settle = () => {
        if (settled) return;
        settled = true;
        if (--left === 0) resolve();
      };
      outlet.push({ frame, deadline, settle });
    }
  }

  async #find(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new MicroError('unavailable', 'the registry does not tell who is subscribed: is it running?', {
        id: 'broker',
      });
      timer = setTimeout(() => reject(error), findTimeout);
    });
    try {
      await Promise.race([(this.#synced ??= this.#watch()), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when it is known who is subscribed, and goes on. */
  #watch(): Promise<void> {
    return new Promise((resolve, reject) => {
      const read = async () => {
        const { registry, namespace, topic } = this.#options;
        const watch = registry.watch({ namespace, name: serviceName(topic), signal: this.#stop.signal });
        for await (const event of watch) {
          if (event.type === 'synced') {
            this.#update();
            this.#isSynced = true;
            resolve();
          } else {
            if (event.type === 'deleted') this.#versions.delete(event.service.version);
            else this.#versions.set(event.service.version, event.service);
            this.#update();
          }
        }
        throw new MicroError('unavailable', 'the registry is closed', { id: 'broker' });
      };
      read().catch((error: unknown) => {
        this.#isSynced = false;
        this.#synced = undefined;
        this.#versions.clear();
        reject(error);
      });
    });
  }

  #update(): void {
    const nodes = new Map(
      [...this.#versions.values()].flatMap((service) => service.nodes.map((node) => [node.id, node])),
    );
    for (const [id, { address }] of this.#places) if (nodes.get(id)?.address !== address) this.#remove(id);
    for (const [id, node] of nodes) {
      const place = this.#places.has(id) ? undefined : placeOf(node);
      if (place) this.#add(id, { ...place, topic: this.#options.topic });
    }
  }

  #add(id: string, place: SubscriptionPlace): void {
    // No node has the name of a queue with a colon before it.
    const key = place.queue === undefined ? id : `:${place.queue}`;
    const outlet = this.#outlets.get(key) ?? new Outlet();
    this.#outlets.set(key, outlet);
    this.#places.set(id, { outlet: key, address: place.address });
    outlet.add({ id, ...this.#options.reach(place) });
  }

  #remove(id: string): void {
    const { outlet: key } = this.#places.get(id) as { readonly outlet: string };
    this.#places.delete(id);
    this.#outlets.get(key)?.remove(id);
    this.#tidy();
  }

  /** A queue that everybody has left is kept while something is under way: who turns up gets what its last member refuses. */
  #tidy(): void {
    for (const [key, outlet] of this.#outlets) if (outlet.isEmpty && outlet.isIdle) this.#outlets.delete(key);
  }
}
