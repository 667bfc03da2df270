import type { RecordRow } from './cockroach-sql.js';
import type { StoreRecord } from './store.js';

/** The records of rows, without the one that says that there is none. */
export function recordsOf(rows: readonly RecordRow[]): StoreRecord[] {
  return rows.flatMap(({ key, value, metadata, expires, version }) =>
    key === null
      ? []
      : {
          key: key.toString(),
          // Made for this row: nobody else has it.
          value: new Uint8Array(value.buffer, value.byteOffset, value.length),
          metadata: metadataOf(metadata),
          expiresAt: timeOf(expires),
          version,
        },
  );
}

export function metadataOf(text: string): Record<string, string> {
  return text === '{}' ? {} : (JSON.parse(text) as Record<string, string>);
}

export function timeOf(expires: bigint | null): number | undefined {
  return expires === null ? undefined : Number(expires);
}

/** The first key behind this one: no other is between them. */
export function next(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

/** Greater than every key that begins so. No UTF-8 has the byte 0xff. */
export function behind(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.from([0xff])]);
}
