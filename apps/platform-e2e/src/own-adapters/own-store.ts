import {
  type Change,
  type Condition,
  type ListOptions,
  MemoryStore,
  type NewRecord,
  type SnapshotRecord,
  Store,
  type TableOptions,
  type WatchOptions,
} from '@micro/service/adapter';

/** A store as somebody else would write one, on top of the one in memory. */
export class OwnStore extends Store {
  protected readonly kept = new MemoryStore();

  override read(key: string, options?: TableOptions) {
    return this.kept.read(key, options);
  }
  override write(record: NewRecord, options?: TableOptions & Condition) {
    return this.kept.write(record, options);
  }
  override delete(key: string, options?: TableOptions & Condition) {
    return this.kept.delete(key, options);
  }
  override transact(changes: readonly Change[], options?: TableOptions) {
    return this.kept.transact(changes, options);
  }
  override list(options?: ListOptions) {
    return this.kept.list(options);
  }
  override databases() {
    return this.kept.databases();
  }
  override tables(database?: string) {
    return this.kept.tables(database);
  }
  override watch(options?: WatchOptions) {
    return this.kept.watch(options);
  }
  override snapshot(database?: string) {
    return this.kept.snapshot(database);
  }
  override restore(records: AsyncIterable<SnapshotRecord>, database?: string) {
    return this.kept.restore(records, database);
  }
  override close() {
    return this.kept.close();
  }
}
