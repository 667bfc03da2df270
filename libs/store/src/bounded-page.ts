/** Bytes that a page may have as a message: of the 4 MiB that a message has, some are for what is around its items. */
const messageBytes = 4 * 1024 * 1024 - 64 * 1024;
const firstBatch = 32;

/** Items, and where to go on. */
export interface Batch<T> {
  readonly items: readonly T[];
  readonly cursor: string | undefined;
}

/**
 * A page that is no larger than a message may be, in as many batches as that takes, so that no more than a few messages' worth is in memory
 * however large the items are. One item always fits.
 */
export async function boundedPage<T>(
  limit: number,
  bytesOf: (item: T) => number,
  fetch: (limit: number, cursor: string | undefined) => Promise<Batch<T>>,
): Promise<Batch<T>> {
  const items: T[] = [];
  let bytes = 0;
  let cursor: string | undefined;
  for (let next = firstBatch; items.length < limit;) {
    const batch = await fetch(Math.min(next, limit - items.length), cursor);
    const more = batch.items.reduce((sum, item) => sum + bytesOf(item), 0);
    if (bytes + more > messageBytes && batch.items.length > 1) {
      next = Math.ceil(batch.items.length / 2);
      // Behind what there is already: half of this may be as much again as the rest.
      if (bytes > messageBytes / 2) break;
      continue;
    }
    if (bytes + more > messageBytes && items.length > 0) break;
    items.push(...batch.items);
    bytes += more;
    cursor = batch.cursor;
    if (cursor === undefined) break;
    next *= bytes < messageBytes / 8 ? 4 : 1;
  }
  return { items, cursor };
}
