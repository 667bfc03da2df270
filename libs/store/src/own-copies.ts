import type { Change, NewRecord } from './store.js';

/** What a caller gives is his again while it waits to be written: this is as it was. What is no record is left to those who check it. */
export function ownRecord({ value, metadata, ...record }: NewRecord): NewRecord {
  return {
    ...record,
    value: value instanceof Uint8Array ? new Uint8Array(value) : value,
    metadata: metadata && { ...metadata },
  };
}

export function ownChanges(changes: readonly Change[]): readonly Change[] {
  return changes.map((change) => (change.type === 'write' ? { ...change, record: ownRecord(change.record) } : change));
}
