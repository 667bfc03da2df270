import type { Platform } from '@micro/platform';
import {
  type BlobInfo,
  type BlobOptions,
  type BlobPage,
  type BlobReading,
  Blobs,
  type Change,
  type Condition,
  type ListBlobsOptions,
  type ListOptions,
  type NewRecord,
  ownChanges,
  ownRecord,
  type Page,
  type ReadBlobOptions,
  type SnapshotRecord,
  Store,
  type StoreEvent,
  type StoreRecord,
  type TableOptions,
  type WatchOptions,
  type WriteBlobOptions,
} from '@micro/store';
import { Flow, sourceOf } from './flow.js';
import { openedPlatform, openPlatform, ownName } from './process-platform.js';

/** The store as a service has it: where it names neither database nor table, its namespace's and its own. Closed with the process's last service. */
class OwnStore extends Store {
  override async read(key: string, options?: TableOptions): Promise<StoreRecord> {
    const platform = await opened();
    return platform.store.read(key, placed(platform, options));
  }

  override async write(record: NewRecord, options?: TableOptions & Condition): Promise<StoreRecord> {
    const own = ownRecord(record);
    const platform = await opened();
    return platform.store.write(own, placed(platform, options));
  }

  override async delete(key: string, options?: TableOptions & Condition): Promise<void> {
    const platform = await opened();
    await platform.store.delete(key, placed(platform, options));
  }

  override async transact(changes: readonly Change[], options?: TableOptions): Promise<readonly bigint[]> {
    const own = ownChanges(changes);
    const platform = await opened();
    return platform.store.transact(own, placed(platform, options));
  }

  override async list(options?: ListOptions): Promise<Page> {
    const platform = await opened();
    return platform.store.list(placed(platform, options));
  }

  override async databases(): Promise<readonly string[]> {
    return (await opened()).store.databases();
  }

  override async tables(database?: string): Promise<readonly string[]> {
    const { store, environment } = await opened();
    return store.tables(database ?? environment.namespace);
  }

  override watch({ signal, ...options }: WatchOptions = {}): AsyncIterable<StoreEvent> {
    return new Flow<StoreEvent>({
      what: 'the watch of the store',
      signal,
      open: async (platform) => sourceOf(platform.store.watch(placed(platform, options))),
    });
  }

  override async *snapshot(database?: string): AsyncIterable<SnapshotRecord> {
    const { store, environment } = await opened();
    yield* store.snapshot(database ?? environment.namespace);
  }

  override async restore(records: AsyncIterable<SnapshotRecord>, database?: string): Promise<number> {
    const { store, environment } = await opened();
    return store.restore(records, database ?? environment.namespace);
  }

  /** Nothing: it is the process's, and closed with it. */
  override async close(): Promise<void> {}
}

/** Blobs as a service has them: where it names neither database nor table, its namespace's and its own. */
class OwnBlobs extends Blobs {
  override async write(
    key: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: WriteBlobOptions,
  ): Promise<BlobInfo> {
    const platform = await opened();
    return platform.blobs.write(key, content, placed(platform, options));
  }

  override async read(key: string, options?: ReadBlobOptions): Promise<BlobReading> {
    const platform = await opened();
    return platform.blobs.read(key, placed(platform, options));
  }

  override async info(key: string, options?: BlobOptions): Promise<BlobInfo> {
    const platform = await opened();
    return platform.blobs.info(key, placed(platform, options));
  }

  override async list(options?: ListBlobsOptions): Promise<BlobPage> {
    const platform = await opened();
    return platform.blobs.list(placed(platform, options));
  }

  override async delete(key: string, options?: BlobOptions): Promise<void> {
    const platform = await opened();
    await platform.blobs.delete(key, placed(platform, options));
  }

  /** Nothing: they are the process's, and closed with it. */
  override async close(): Promise<void> {}
}

/** Records under keys: the contract of the store, with the service's own place as default. May be used at the top of a file; opened when it is first used. */
export const store: Store = new OwnStore();

/** Content of any size under keys: the contract of blobs, with the service's own place as default. */
export const blobs: Blobs = new OwnBlobs();

/** In the service's own place, unless another is named. */
export function placed<O extends TableOptions>(platform: Platform, options: O | undefined): O & Required<TableOptions> {
  const { database = platform.environment.namespace, table = ownName(platform) } = options ?? {};
  return { ...(options as O), database, table };
}

/** The process's platform, opened if it is not yet. */
export async function opened(): Promise<Platform> {
  return openedPlatform() ?? openPlatform();
}
