import type { EtcdClient } from '@micro/etcd';

/** Watches what is deleted under ranges of keys, each for as long as somebody wants to hear of it. */
export class EtcdDeletions {
  readonly #client: EtcdClient;
  readonly #watches = new Map<string, { readonly cancel: () => void }>();

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  /**
   * Calls `tell` with each key that is deleted, and without one when the watch has begun. A watch that fails is not followed on: it is begun again with the next call.
   * Nobody should rely on hearing of everything.
   */
  watch(what: string, range: { readonly key: Buffer; readonly range_end: Buffer }, tell: (key?: string) => void): void {
    if (this.#watches.has(what)) return;
    let canceled = false;
    let cancel = (): void => void (canceled = true);
    const watch = { cancel: () => cancel() };
    const forget = () => {
      if (this.#watches.get(what) === watch) this.#watches.delete(what);
    };
    this.#watches.set(what, watch);
    const begin = async () => {
      const stream = await this.#client.member.etcd.watchClient.watch();
      if (canceled) {
        stream.cancel();
        return;
      }
      cancel = () => stream.cancel();
      stream.on('error', forget);
      stream.on('end', forget);
      stream.on('data', ({ created, events }) => {
        if (created) tell();
        for (const { kv } of events) tell(kv.key.toString());
      });
      stream.write({ create_request: { ...range, filters: ['Noput'] } });
    };
    begin().catch(forget);
  }

  end(what: string): void {
    this.#watches.get(what)?.cancel();
    this.#watches.delete(what);
  }

  close(): void {
    for (const what of [...this.#watches.keys()]) this.end(what);
  }
}
