import type { EtcdKeys, VersionKey } from './etcd-records.js';
import type { EtcdView } from './etcd-view.js';
import type { EtcdWriter } from './etcd-writer.js';

/** Milliseconds after which a content that no node has is deleted, and as much again at random: one of all processes will do. */
const delay = 1_000;

/** Deletes contents that no node has any more. Every process does so: who left them may not be there any more. */
export class EtcdSweeper {
  readonly #keys: EtcdKeys;
  readonly #view: EtcdView;
  readonly #writer: EtcdWriter;
  readonly #unused = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(keys: EtcdKeys, view: EtcdView, writer: EtcdWriter) {
    this.#keys = keys;
    this.#view = view;
    this.#writer = writer;
  }

  /** The view has seen a content that no node has. */
  add(key: string): void {
    this.#unused.add(key);
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(() => void this.#sweep(), delay * (1 + Math.random())).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<void> {
    const unused = new Map<string, VersionKey>();
    for (const key of this.#unused) {
      const parsed = this.#keys.parse(key);
      if (parsed?.type === 'content' && this.#view.isUnused(key)) unused.set(key, parsed.version);
    }
    this.#unused.clear();
    this.#timer = undefined;
    if (unused.size === 0) return;
    await this.#writer.deleteUnused(unused).catch(() => undefined);
    // Those that are still there then, since etcd was away or their version has just changed, are looked at again.
    for (const key of unused.keys()) this.add(key);
  }
}
