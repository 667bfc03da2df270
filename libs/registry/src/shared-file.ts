import { type FSWatcher, unwatchFile, watch, watchFile } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { MicroError } from '@micro/errors';
import { Catalog, type PlacementKey, registrationTime } from './catalog.js';
import { type Content, encodeContent } from './content.js';
import { Watches } from './event-queue.js';
import {
  type RegisterOptions,
  Registry,
  type RegistryEvent,
  type RegistryOptions,
  type Service,
  type WatchOptions,
} from './registry.js';
import {
  changeState,
  entryKey,
  type FileEntry,
  type FileState,
  keyText,
  packContent,
  readRevision,
  readState,
  unpackContent,
} from './shared-file-state.js';
import { checkedNamespace, checkedTtl, checkService, closed } from './validation.js';

interface Own {
  readonly entry: FileEntry;
  readonly packed: string;
  /** Until when the file has it, 0 before it does; what is not there any more before that, somebody else deregistered. */
  until: number;
}

/** Milliseconds that a renewal waits for others to be written with. */
const longestWait = 1_000;
/** Milliseconds between looks at a file that cannot be watched. */
const pollInterval = 500;

/** Services of one machine, in a file that its processes share: for where multicast does not work. Nothing in it is worth a backup. */
export class SharedFileRegistry extends Registry {
  readonly #file: string;
  readonly #keepOnClose: boolean;
  readonly #catalog = new Catalog((key) => this.#expired(key));
  readonly #watches = new Watches();
  readonly #own = new Map<string, Own>();
  /** Keys to be written, or taken out of the file. */
  readonly #changed = new Set<string>();
  readonly #others = new Map<string, PlacementKey>();
  readonly #contents = new Map<string, Content>();
  readonly #ready: Promise<void>;
  #queue: Promise<unknown> = Promise.resolve();
  #writing: Promise<void> | undefined;
  #renewing: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined;
  #refreshing: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;
  #revision = -1;
  #shortestTtl = Infinity;
  #closed = false;

  constructor(file: string, { keepOnClose = false }: { readonly keepOnClose?: boolean } = {}) {
    super();
    this.#file = file;
    this.#keepOnClose = keepOnClose;
    this.#ready = this.#start();
    this.#ready.catch(() => undefined);
  }

  override async register(service: Service, options: RegisterOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const ttl = checkedTtl(options.ttl);
    checkService(service);
    const { name, version } = service;
    const { content, hash, bytes } = encodeContent(service);
    await this.#ready;
    const packed = packContent(bytes);
    const time = registrationTime();
    let isNew = false;
    for (const { id, address, metadata } of service.nodes) {
      const since = this.#catalog.since({ namespace, name, version, id }, hash) ?? time;
      const node = { id, address, metadata: { ...metadata } };
      const entry = { namespace, name, version, node, hash, since, ttl, expires: Date.now() + ttl };
      const key = keyText(entryKey(entry));
      const before = this.#own.get(key);
      const until = before && sameEntry(before.entry, entry) ? before.until : 0;
      isNew ||= until === 0;
      this.#own.set(key, { entry, packed, until });
      this.#others.delete(key);
      this.#changed.add(key);
      this.#catalog.put({ ...entry, content });
    }
    this.#catalog.flush();
    if (isNew) await this.#write();
    else this.#writeWithin(Math.min(ttl / 10, longestWait));
  }

  override async deregister(
    service: Pick<Service, 'name' | 'version' | 'nodes'>,
    options: RegistryOptions = {},
  ): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    await this.#ready;
    for (const { id } of service.nodes) this.#remove({ namespace, name: service.name, version: service.version, id });
    this.#catalog.flush();
    await this.#write();
  }

  override async get(name: string, options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    await this.#ready;
    return this.#catalog.get(namespace, name);
  }

  override async list(options: RegistryOptions = {}): Promise<readonly Service[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    await this.#ready;
    return this.#catalog.list(namespace);
  }

  override watch({ namespace, name, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#watches.open(signal, async (queue) => {
      const checked = checkedNamespace(namespace);
      await this.#ready;
      this.#catalog.watch(queue, checked, name);
    });
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    this.#catalog.close();
    clearTimeout(this.#renewing?.timer);
    clearTimeout(this.#refreshing);
    await this.#ready.catch(() => undefined);
    this.#watcher?.close();
    unwatchFile(this.#file, this.#onChange);
    const own = [...this.#own.values()].map(({ entry }) => entryKey(entry));
    if (!this.#keepOnClose) for (const key of own) this.#remove(key);
    if (this.#changed.size > 0) await this.#write().catch(() => undefined);
    await this.#queue;
  }

  async #start(): Promise<void> {
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw failure(this.#file, error);
    }
    try {
      this.#watcher = watch(dirname(this.#file), (_event, name) => {
        if (name === null || name === basename(this.#file)) this.#onChange();
      });
      this.#watcher.on('error', () => this.#poll());
      // As with a socket: a process that only asks ends when it is done.
      this.#watcher.unref();
    } catch {
      this.#poll();
    }
    await this.#refresh();
  }

  /** Where the system has no more watches to give. */
  #poll(): void {
    this.#watcher?.close();
    if (!this.#closed) watchFile(this.#file, { interval: pollInterval, persistent: false }, this.#onChange);
  }

  readonly #onChange = (): void => {
    if (this.#closed) return;
    void this.#inTurn(async () => {
      if ((await readRevision(this.#file)) !== this.#revision) return this.#load();
      // Only renewals, which may be read later, but before what they renew would expire.
      this.#refreshing ??= setTimeout(
        () => void this.#refresh().catch(() => undefined),
        Math.min(this.#shortestTtl / 5, 3_000),
      ).unref();
    }).catch(() => undefined);
  };

  #refresh(): Promise<void> {
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
    return this.#inTurn(() => this.#load());
  }

  async #load(): Promise<void> {
    if (this.#closed) return;
    const state = await readState(this.#file);
    const now = Date.now();
    this.#revision = state.revision;
    this.#shortestTtl = Infinity;
    for (const [key, entry] of state.entries) {
      if (entry.expires <= now || this.#own.has(key) || this.#changed.has(key)) continue;
      const content = this.#content(state, entry.hash);
      if (!content) continue;
      this.#others.set(key, entryKey(entry));
      this.#shortestTtl = Math.min(this.#shortestTtl, entry.ttl);
      // A clock that was set back must not make anything live longer than it asked for.
      this.#catalog.put({ ...entry, content, ttl: Math.min(entry.expires - now, entry.ttl) });
    }
    for (const [key, id] of this.#others) if (!state.entries.has(key)) this.#forget(key, id);
    for (const [key, { entry, until }] of this.#own) {
      const isRenewed = until <= now && this.#changed.has(key);
      if (until > 0 && !state.entries.has(key) && !isRenewed) this.#forget(key, entryKey(entry));
    }
    for (const hash of [...this.#contents.keys()]) if (!state.contents.has(hash)) this.#contents.delete(hash);
    this.#catalog.flush();
  }

  #content(state: FileState, hash: string): Content | undefined {
    const known = this.#contents.get(hash);
    if (known) return known;
    const content = unpackContent(hash, state.contents.get(hash) ?? '');
    if (content) this.#contents.set(hash, content);
    return content;
  }

  #forget(key: string, id: PlacementKey): void {
    this.#others.delete(key);
    this.#own.delete(key);
    this.#catalog.remove(id);
  }

  #remove(id: PlacementKey): void {
    const key = keyText(id);
    this.#forget(key, id);
    this.#changed.add(key);
  }

  #expired(id: PlacementKey): void {
    const key = keyText(id);
    this.#others.delete(key);
    if (this.#own.delete(key)) this.#changed.add(key);
  }

  #writeWithin(milliseconds: number): void {
    const at = performance.now() + milliseconds;
    if (this.#renewing && this.#renewing.at <= at) return;
    clearTimeout(this.#renewing?.timer);
    const timer = setTimeout(() => void this.#write().catch(() => undefined), milliseconds);
    timer.unref();
    this.#renewing = { timer, at };
  }

  /** Writes all that has changed until its turn comes; those who ask meanwhile share one write. */
  #write(): Promise<void> {
    return (this.#writing ??= this.#inTurn(async () => {
      this.#writing = undefined;
      clearTimeout(this.#renewing?.timer);
      this.#renewing = undefined;
      const keys = [...this.#changed];
      const written: Own[] = [];
      const gone: Own[] = [];
      this.#changed.clear();
      try {
        let before = -1;
        const after = await changeState(this.#file, (state) => {
          written.length = gone.length = 0;
          before = state.revision;
          return keys.map((key) => this.#apply(key, state, { written, gone })).includes(true);
        });
        // Otherwise others have written what is still to be read.
        if (before === this.#revision) this.#revision = after;
      } catch (error) {
        for (const key of keys) this.#changed.add(key);
        throw error;
      }
      for (const own of written) own.until = own.entry.expires;
      for (const own of gone) {
        const id = entryKey(own.entry);
        if (this.#own.get(keyText(id)) === own) this.#forget(keyText(id), id);
      }
      this.#catalog.flush();
    }));
  }

  /** Whether it did more than renew. */
  #apply(
    key: string,
    { entries, contents }: FileState,
    { written, gone }: { readonly written: Own[]; readonly gone: Own[] },
  ): boolean {
    const own = this.#own.get(key);
    if (!own) return entries.delete(key);
    const before = entries.get(key);
    if (!before && own.until > Date.now()) {
      gone.push(own);
      return false;
    }
    entries.set(key, own.entry);
    contents.set(own.entry.hash, own.packed);
    written.push(own);
    return before === undefined || !sameEntry(before, own.entry);
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(work).catch((error: unknown) => {
      throw failure(this.#file, error);
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

function sameEntry(one: FileEntry, other: FileEntry): boolean {
  return JSON.stringify({ ...one, expires: 0 }) === JSON.stringify({ ...other, expires: 0 });
}

function failure(file: string, error: unknown): MicroError {
  if (error instanceof MicroError) return error;
  const { code = 'error', message } = error as NodeJS.ErrnoException;
  const options = { id: 'registry', cause: error };
  if (code === 'ENOSPC') return MicroError.from(error, 'registry');
  return new MicroError(
    'unavailable',
    `the registry file ${file} cannot be read or written (${code}): ${message}`,
    options,
  );
}
