import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdClient, Member } from '@micro/etcd';
import type { IEvent, IKeyValue } from 'etcd3';
import type { Catalog, PlacementKey } from './catalog.js';
import type { Content } from './content.js';
import { decodeNode, type EtcdKeys, type NodeRecord, unpackContent } from './etcd-records.js';
import { currentRevision, HistoryLost, isCompacted, keyAt, watchMember } from './etcd-watch.js';

/** A node's key as it was last heard of. */
export interface SeenNode {
  readonly key: PlacementKey;
  readonly record: NodeRecord;
  /** The value as it is in etcd. */
  readonly text: string;
  readonly lease: string;
  readonly revision: number;
}

interface SeenContent {
  /** Undefined while it is not in etcd, or not what its hash says. */
  content: Content | undefined;
  /** Keys of the nodes that have it. */
  readonly nodes: Set<string>;
}

export interface EtcdViewOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly catalog: Catalog;
  /** Told of every key of a node that is put, also of one that is no news to the catalog. */
  readonly put: (key: string, node: SeenNode) => void;
  /** Told of every key of a node that is gone, as it last was. */
  readonly gone: (key: string, node: SeenNode) => void;
  /** Told of a content that no node has any more. */
  readonly unused: (key: string) => void;
  /** Told whenever a watch is in force, anew or again. */
  readonly following: () => void;
  /** Told, once, when etcd is not heard any more. */
  readonly away: (error: unknown) => void;
}

/** Keys in one answer. */
const page = 200;
/** Milliseconds for one such answer, which may be some megabytes. */
const pageTimeout = 5_000;
/** Milliseconds between two attempts to watch. */
const retry = { first: 100, most: 1_000 } as const;

/**
 * What etcd has under the prefix, as a catalog, kept up to date by one watch a process. It changes only by what etcd tells, revision by
 * revision, so that all processes see the same changes in the same order. While etcd is away it stays as it was; the watch then goes on with the
 * revision that follows, or, where that is not to be had any more, all is read anew and the difference told.
 */
export class EtcdView {
  readonly #options: EtcdViewOptions;
  readonly #nodes = new Map<string, SeenNode>();
  readonly #contents = new Map<string, SeenContent>();
  readonly #stop = new AbortController();
  #waiting: { readonly revision: number; readonly resolve: () => void }[] = [];
  /** Everything up to it is in the catalog; 0 before the first reading. */
  #revision = 0;

  constructor(options: EtcdViewOptions) {
    this.#options = options;
  }

  get revision(): number {
    return this.#revision;
  }

  node(key: string): SeenNode | undefined {
    return this.#nodes.get(key);
  }

  /** Whether a content is in etcd. */
  stores(key: string): boolean {
    return this.#contents.get(key)?.content !== undefined;
  }

  /** Whether a content is in etcd and no node has it. */
  isUnused(key: string): boolean {
    const seen = this.#contents.get(key);
    return seen?.content !== undefined && seen.nodes.size === 0;
  }

  /** Reads everything and goes on watching. Throws MicroError where etcd cannot be read within four seconds. */
  async start(): Promise<void> {
    const { client, keys } = this.#options;
    await client.call(async () => {
      const { member } = client;
      // One that hangs is found out by this: what is read may take its time.
      await currentRevision(client, member, keys.all);
      await this.#read(member);
    });
    void this.#follow();
  }

  /** Resolves when all up to a revision is in the catalog, at the latest after so many milliseconds. */
  async reached(revision: number, timeout: number): Promise<void> {
    if (this.#revision >= revision) return;
    await new Promise<void>((resolve) => {
      // A timer: to abort a sleep takes longer than etcd's news do.
      const timer = setTimeout(resolve, timeout).unref();
      const come = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.push({ revision, resolve: come });
    });
  }

  close(): void {
    this.#stop.abort();
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async #follow(): Promise<void> {
    const { client, keys, following, away } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    const begun = () => {
      failures = 0;
      following();
    };
    const take = (events: readonly IEvent[], revision: number) => this.#take(events, revision);
    for (let known = true; !signal.aborted;) {
      const { member } = client;
      try {
        known &&= await this.#isContinued(member);
        if (!known) await this.#read(member);
        known = true;
        await watchMember({ client, member, range: keys.all, from: this.#revision + 1, take, begun, signal });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof HistoryLost) known = false;
        else if (failures++ === 0) away(error);
      }
      const wait = failures === 0 ? 0 : Math.min(retry.first * 2 ** (failures - 1), retry.most);
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Whether etcd's history is still the one that is known here. That of an etcd which has lost its data, or was set back to a backup, may have come as
   * far since: what was put last must be there as it was.
   */
  async #isContinued(member: Member): Promise<boolean> {
    const { client, keys } = this.#options;
    let last: readonly [string, SeenNode] | undefined;
    for (const entry of this.#nodes) if (entry[1].revision > (last?.[1].revision ?? 0)) last = entry;
    if (!last) return (await currentRevision(client, member, keys.all)) >= this.#revision;
    const [key, { lease, revision }] = last;
    const found = await keyAt(client, member, { key, revision: this.#revision });
    return found?.lease === lease && Number(found.mod_revision) === revision;
  }

  /** Reads all keys, and takes over the difference to what was known. */
  async #read(member: Member): Promise<void> {
    const { found, revision } = await this.#readAll(member);
    const gone = new Set([...this.#nodes.keys(), ...this.#contents.keys()]);
    for (const kv of found) gone.delete(kv.key.toString());
    for (const key of gone) this.#remove(key);
    for (const kv of found.sort((one, other) => Number(one.mod_revision) - Number(other.mod_revision))) this.#put(kv);
    this.#reach(revision);
  }

  /** All keys as they are at one revision. */
  async #readAll(member: Member): Promise<{ readonly found: IKeyValue[]; readonly revision: number }> {
    const { client, keys } = this.#options;
    const found: IKeyValue[] = [];
    let key = Buffer.from(keys.all.start);
    let revision = 0;
    for (let more = true; more;) {
      const request = { key, range_end: Buffer.from(keys.all.end), limit: page, revision };
      const answer = await client
        .attempt(member, ({ kv }) => kv.range(request, { deadline: Date.now() + pageTimeout }))
        .catch((error: unknown) => {
          if (!isCompacted(error)) throw error;
          return undefined;
        });
      // The revision is not there any more: all that was read so far is for nothing.
      if (!answer) return this.#readAll(member);
      found.push(...answer.kvs);
      revision ||= Number(answer.header.revision);
      more = answer.more;
      key = Buffer.concat([answer.kvs.at(-1)?.key ?? key, Buffer.alloc(1)]);
    }
    return { found, revision };
  }

  #take(events: readonly IEvent[], revision: number): void {
    if (revision <= this.#revision) return;
    for (const { type, kv } of events) {
      if (/delete/i.test(type)) this.#remove(kv.key.toString());
      else this.#put(kv);
    }
    this.#reach(revision);
  }

  #reach(revision: number): void {
    this.#revision = revision;
    this.#options.catalog.flush();
    const arrived = this.#waiting.filter((one) => one.revision <= revision);
    if (arrived.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => one.revision > revision);
    for (const { resolve } of arrived) resolve();
  }

  #put(kv: IKeyValue): void {
    const key = kv.key.toString();
    const parsed = this.#options.keys.parse(key);
    if (parsed?.type === 'content') {
      this.#putContent(key, unpackContent(parsed.hash, kv.value));
    } else if (parsed) {
      const record = decodeNode(kv.value);
      if (!record) return this.#remove(key);
      const [text, revision] = [kv.value.toString(), Number(kv.mod_revision)];
      this.#putNode(key, { key: parsed.node, record, text, lease: kv.lease, revision });
    }
  }

  #putNode(key: string, node: SeenNode): void {
    const before = this.#nodes.get(key);
    this.#nodes.set(key, node);
    const content = this.#content(this.#options.keys.content(node.key, node.record.content));
    content.nodes.add(key);
    if (before && before.record.content !== node.record.content) this.#letGo(before, key);
    this.#place(node, content.content);
    this.#options.put(key, node);
  }

  #putContent(key: string, content: Content | undefined): void {
    const seen = this.#content(key);
    const isNew = seen.content === undefined;
    seen.content ??= content;
    if (isNew) for (const one of seen.nodes) this.#place(this.#nodes.get(one), content);
    if (seen.nodes.size === 0) this.#options.unused(key);
  }

  #content(key: string): SeenContent {
    let seen = this.#contents.get(key);
    if (!seen) this.#contents.set(key, (seen = { content: undefined, nodes: new Set() }));
    return seen;
  }

  /** A node is shown as soon as its content is there. */
  #place(node: SeenNode | undefined, content: Content | undefined): void {
    if (!node || !content) return;
    const { key, record } = node;
    const { address, metadata, content: hash, since } = record;
    const { id, ...version } = key;
    this.#options.catalog.put({ ...version, node: { id, address, metadata }, content, hash, since, ttl: Infinity });
  }

  #remove(key: string): void {
    const node = this.#nodes.get(key);
    if (node) {
      this.#nodes.delete(key);
      this.#letGo(node, key);
      this.#options.catalog.remove(node.key);
      this.#options.gone(key, node);
    }
    const content = this.#contents.get(key);
    if (!content) return;
    // Nodes that have it keep what is known of it here; whoever renews one puts it into etcd again.
    content.content = undefined;
    if (content.nodes.size === 0) this.#contents.delete(key);
  }

  /** A node has that content no more. */
  #letGo({ key: node, record }: SeenNode, key: string): void {
    const contentKey = this.#options.keys.content(node, record.content);
    const content = this.#contents.get(contentKey);
    content?.nodes.delete(key);
    if (content?.nodes.size !== 0) return;
    if (content.content === undefined) this.#contents.delete(contentKey);
    else this.#options.unused(contentKey);
  }
}
