import { setTimeout as sleep } from 'node:timers/promises';
import type { Catalog, PlacementKey } from './catalog.js';
import { type Content, decodeContent } from './content.js';
import { Blobs } from './mdns-blobs.js';
import {
  type DnsRecord,
  isReference,
  labelIn,
  labelOf,
  lengthOf,
  type NodeText,
  parseBlobName,
  parseGoodbye,
  parseMetadata,
  parseText,
  pointersOnly,
  type Question,
  serviceType,
  type Texts,
} from './mdns-records.js';
import { Readers } from './mdns-readers.js';
import { MulticastSocket, type Received } from './mdns-socket.js';
import { Unseen } from './mdns-unseen.js';

interface Found extends NodeText {
  readonly label: string;
  /** As it was received, to see at a glance that a renewal changes nothing. */
  readonly strings: Texts;
  expires: number;
}

export interface BrowserOptions {
  readonly interface: string;
  readonly port: number;
  readonly catalog: Catalog;
  /** Whether this process speaks for a node; then it knows better than the network. */
  readonly isOwn: (label: string) => boolean;
  /** Somebody else said goodbye for a node that this process speaks for. */
  readonly dismissed: (label: string) => void;
  /** Marks the goodbyes of this process. */
  readonly by: string;
  readonly failed: (error: Error) => void;
}

/** The first look around ends after so many ticks without news, at most after so many milliseconds. */
const firstLook = { quietTicks: 12, most: 3_000 } as const;
/** Milliseconds in which even a busy process answers. */
const slowAnswer = 1_000;
/** Milliseconds. Ticks are counted, not time: of a process that stands still none passes, and what waits to be read is read in between. */
const tick = 10;
/** First wait before asking again, doubled each time (RFC 6762, section 5.2). */
const askAgain = { first: 1_000, most: 3_600_000 } as const;
/** Bytes of known answers that go with a question. Who knows more than fits asks for pointers alone, and then for what is unknown. */
const mostKnown = 8_000;
/** Nodes that one machine may be made to remember. */
const mostNodes = 100_000;

/**
 * Finds the nodes that others announce. Does nothing before somebody is interested in a namespace: a service that calls nobody pays for
 * nothing. Then it asks around, listens from there on, and puts what it finds into the catalog as soon as it knows all about it.
 */
export class Browser {
  readonly #options: BrowserOptions;
  readonly #found = new Map<string, Found>();
  /** Whose goodbye this process has sent, with when to stop waiting to hear it: what arrives before it is older than it. */
  readonly #leaving = new Map<string, number>();
  /** Whose goodbye was heard, since when they had been there, and when to stop waiting for what was sent before it. */
  readonly #gone = new Map<string, { readonly since: number; readonly until: number }>();
  /** Those that are shown as soon as what they refer to is here. */
  readonly #incomplete = new Set<Found>();
  readonly #blobs: Blobs;
  readonly #unseen: Unseen;
  readonly #contents = new Map<string, Content>();
  /** Of whose namespaces nodes are put into the catalog. */
  readonly #readers: Readers;
  #socket: Promise<MulticastSocket> | undefined;
  #startedAt = Infinity;
  /** How often something was heard that was not known. */
  #news = 0;
  #looked: Promise<void> | undefined;
  #askTimer: NodeJS.Timeout | undefined;
  #sweepAt = 0;
  #closed = false;

  constructor(options: BrowserOptions) {
    this.#options = options;
    const ask = (questions: readonly Question[]) => void this.#socket?.then((socket) => socket.query(questions));
    this.#blobs = new Blobs(ask, (labels) => this.#arrived(labels));
    this.#unseen = new Unseen(ask);
    this.#readers = new Readers(
      (namespace) => this.#lookAround(namespace),
      (namespace) => !options.catalog.has(namespace),
    );
  }

  /** Whether anybody is interested in what others announce. */
  get isLooking(): boolean {
    return this.#socket !== undefined;
  }

  /** Reads a namespace of the catalog once a look around has shown who is there; at once if it was read before. */
  reading<Result>(namespace: string, read: () => Result | Promise<Result>): Promise<Result> {
    return this.#readers.reading(namespace, read);
  }

  /** Resolves when there is something to see, or when even a slow answer would have come. */
  async appears(seen: () => boolean): Promise<void> {
    while (!seen() && !this.#closed && performance.now() - this.#startedAt < slowAnswer) await sleep(tick);
  }

  receive({ type, records }: Received): void {
    if (type !== 'response' || !this.#socket || this.#closed) return;
    for (const record of records) {
      const label = record.type === 'TXT' ? labelIn(record.name) : undefined;
      if (label !== undefined) this.#receiveNode(label, record.data as Texts, record.ttl);
    }
    for (const record of records) {
      const chunk = record.type === 'TXT' ? parseBlobName(record.name) : undefined;
      if (chunk) this.#blobs.receive(chunk.hash, chunk.chunk, record.data as Texts);
    }
    for (const record of records) if (record.type === 'PTR') this.#receivePointer(record);
    this.#options.catalog.flush();
    this.#sweep();
  }

  /** This process says goodbye for the node: what is still on its way is not to bring it back. */
  dismiss(key: PlacementKey): void {
    const now = performance.now();
    for (const [label, until] of this.#leaving) if (until < now) this.#leaving.delete(label);
    this.#leaving.set(labelOf(key), now + slowAnswer);
    this.forget(key);
  }

  /** This process speaks for the node from now on, or it is gone. */
  forget(key: PlacementKey): void {
    const label = labelOf(key);
    const found = this.#found.get(label);
    if (!found) return;
    this.#found.delete(label);
    this.#release(found);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#askTimer);
    this.#blobs.close();
    this.#unseen.close();
    await this.#socket?.then((socket) => socket.close()).catch(() => undefined);
  }

  async #lookAround(namespace: string): Promise<void> {
    this.#socket ??= this.#open();
    await this.#socket;
    for (const found of this.#found.values()) if (found.key.namespace === namespace) this.#place(found);
    this.#options.catalog.flush();
    await (this.#looked ??= this.#lookUntilQuiet());
    const end = performance.now() + firstLook.most;
    while (!this.#closed && this.#isIncomplete(namespace) && performance.now() < end) await sleep(tick);
  }

  async #lookUntilQuiet(): Promise<void> {
    await this.#quiet();
    if (this.#closed || this.#known() !== undefined) return;
    // So many that some may have been lost.
    this.#askForPointers();
    await this.#quiet();
  }

  async #quiet(): Promise<void> {
    for (let quiet = 0; quiet < firstLook.quietTicks && performance.now() - this.#startedAt < firstLook.most; quiet++) {
      const before = this.#news;
      await sleep(tick);
      if (this.#closed) return;
      if (this.#news !== before || this.#unseen.size > 0) quiet = 0;
    }
  }

  async #open(): Promise<MulticastSocket> {
    const { interface: address, port, failed } = this.#options;
    try {
      const receive = (packet: Received) => this.receive(packet);
      const socket = await MulticastSocket.ask({ interface: address, port, failed, receive });
      this.#startedAt = performance.now();
      this.#ask(askAgain.first);
      return socket;
    } catch (error) {
      this.#socket = undefined;
      throw error;
    }
  }

  /** Asks who is there, but for those that it knows already, and again after a while. */
  #ask(next: number): void {
    const known = this.#known();
    if (!known) this.#askForPointers();
    else void this.#socket?.then((socket) => socket.query([{ name: serviceType, type: 'PTR' }], known));
    this.#askTimer = setTimeout(() => this.#ask(Math.min(next * 2, askAgain.most)), next);
    this.#askTimer.unref();
  }

  #askForPointers(): void {
    void this.#socket?.then((socket) => socket.query([{ name: pointersOnly, type: 'PTR' }]));
  }

  /** Pointers to the nodes that were found; undefined if they are more than fit into a question. */
  #known(): readonly DnsRecord[] | undefined {
    const known: DnsRecord[] = [];
    let length = 0;
    for (const { label, expires } of this.#found.values()) {
      const ttl = Math.floor((expires - performance.now()) / 1_000);
      const answer: DnsRecord = { name: serviceType, type: 'PTR', ttl, flush: false, data: `${label}.${serviceType}` };
      length += lengthOf(answer);
      if (length > mostKnown) return undefined;
      if (ttl > 0) known.push(answer);
    }
    return known;
  }

  #receivePointer({ name, data, ttl }: DnsRecord & { readonly type: 'PTR' }): void {
    const label = name === serviceType ? labelIn(data.toLowerCase()) : undefined;
    if (label === undefined || ttl === 0 || this.#found.has(label)) return;
    if (this.#found.size + this.#unseen.size >= mostNodes) return;
    if (!this.#options.isOwn(label) && !this.#isLeaving(label)) this.#unseen.add(label);
  }

  /** Whether this process has just said goodbye for it. */
  #isLeaving(label: string): boolean {
    return performance.now() < (this.#leaving.get(label) ?? 0);
  }

  #receiveNode(label: string, strings: Texts, ttl: number): void {
    const before = this.#found.get(label);
    this.#unseen.delete(label);
    if (ttl === 0) return this.#receiveGoodbye(label, parseGoodbye(strings));
    if (this.#options.isOwn(label) || this.#isLeaving(label)) return;
    if (before && sameStrings(before.strings, strings)) {
      before.expires = performance.now() + before.ttl;
      if (!this.#options.catalog.renew(before.key, before.ttl)) this.#place(before);
      return;
    }
    const text = parseText(label, strings);
    if (!text || this.#isGone(label, text.since) || (!before && this.#found.size >= mostNodes)) return;
    if (before) this.#release(before);
    // Copies: a few bytes must not keep the whole packet alive.
    const found = {
      ...text,
      label,
      strings: strings.map((string) => Buffer.from(string)),
      expires: performance.now() + text.ttl,
    };
    this.#found.set(label, found);
    this.#news++;
    this.#place(found);
  }

  /** Whether what is heard of a node was sent before its goodbye: answers arrive at another socket than news. */
  #isGone(label: string, since: number): boolean {
    const gone = this.#gone.get(label);
    return gone !== undefined && since <= gone.since && performance.now() < gone.until;
  }

  #receiveGoodbye(label: string, { by, since }: ReturnType<typeof parseGoodbye>): void {
    if (by === this.#options.by) return void this.#leaving.delete(label);
    if (this.#options.isOwn(label)) return this.#options.dismissed(label);
    const now = performance.now();
    // In the order in which they went.
    this.#gone.delete(label);
    for (const [one, { until }] of this.#gone) {
      if (until >= now) break;
      this.#gone.delete(one);
    }
    if (since !== undefined && this.#gone.size < mostNodes) this.#gone.set(label, { since, until: now + slowAnswer });
    const found = this.#found.get(label);
    if (!found) return;
    this.#options.catalog.remove(found.key);
    this.forget(found.key);
  }

  #arrived(labels: Iterable<string>): void {
    for (const label of labels) {
      const found = this.#found.get(label);
      if (found) this.#place(found);
    }
  }

  /** Puts a node into the catalog if somebody reads its namespace and all of it is known; fetches what is not. */
  #place(found: Found): void {
    const { key, address, since, service, label } = found;
    const ttl = found.expires - performance.now();
    if (ttl <= 0 || !this.#readers.has(key.namespace)) return;
    const content = this.#content(found);
    const metadata = this.#metadata(found);
    if (this.#options.isOwn(label)) return;
    if (!content || !metadata) return void this.#incomplete.add(found);
    this.#incomplete.delete(found);
    const { namespace, name, version, id } = key;
    this.#options.catalog.put({
      namespace,
      name,
      version,
      node: { id, address, metadata },
      content,
      hash: service.hash,
      since,
      ttl,
    });
  }

  #content({ service, label }: Found): Content | undefined {
    const known = this.#contents.get(service.hash);
    if (known) return known;
    const bytes = this.#blobs.get(service, label);
    const content = bytes && decodeContent(bytes);
    if (content) this.#contents.set(service.hash, content);
    return content;
  }

  #metadata({ metadata, label }: Found): Readonly<Record<string, string>> | undefined {
    if (!isReference(metadata)) return metadata;
    const bytes = this.#blobs.get(metadata, label);
    return bytes && parseMetadata(bytes);
  }

  #isIncomplete(namespace: string): boolean {
    for (const { key } of this.#incomplete) if (key.namespace === namespace) return true;
    return false;
  }

  #release(found: Found): void {
    this.#incomplete.delete(found);
    for (const reference of referencesOf(found)) this.#blobs.forget(reference, found.label);
  }

  /** Now and then drops what has expired without ever having been in the catalog, and contents that nobody has any more. */
  #sweep(): void {
    const now = performance.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + 30_000;
    for (const { key, expires } of [...this.#found.values()]) if (expires <= now) this.forget(key);
    if (this.#contents.size + this.#blobs.size < 2 * this.#found.size + 100) return;
    const hashes = new Set([...this.#found.values()].flatMap(referencesOf).map(({ hash }) => hash));
    for (const hash of [...this.#contents.keys()]) if (!hashes.has(hash)) this.#contents.delete(hash);
    this.#blobs.keepOnly(hashes);
  }
}

function referencesOf({ service, metadata }: NodeText) {
  return isReference(metadata) ? [service, metadata] : [service];
}

function sameStrings(one: Texts, other: Texts): boolean {
  return one.length === other.length && one.every((string, index) => string.equals(other[index] as Buffer));
}
