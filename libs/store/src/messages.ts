/** Records of the contract as messages of store.proto, and back. */
import { MicroError } from '@micro/errors';
import type { storeProto } from '@micro/proto';
import type { Change, NewRecord, SnapshotRecord, StoreEvent, StoreRecord } from './store.js';
import { checkedExpiry } from './validation.js';

export function toMessage(record: StoreRecord): storeProto.Record {
  const { key, value, metadata, expiresAt, version } = record;
  return { key, value, metadata: { ...metadata }, expiresAt: toTime(expiresAt), version };
}

export function fromMessage({ key, value, metadata, expiresAt, version }: storeProto.Record): StoreRecord {
  return { key, value: own(value), metadata: { ...metadata }, expiresAt: fromTime(expiresAt), version };
}

export function toNewMessage({ key, value, metadata, ttl }: NewRecord): storeProto.NewRecord {
  return { key, value, metadata: { ...metadata }, ttlMs: BigInt(Math.ceil(ttl ?? 0)) };
}

export function fromNewMessage({ key, value, metadata, ttlMs }: storeProto.NewRecord): NewRecord {
  return { key, value, metadata, ttl: Number(ttlMs) || undefined };
}

export function toChangeMessage(change: Change): storeProto.Change {
  const { ifVersion } = change;
  if (change.type === 'write') return { write: toNewMessage(change.record), ifVersion };
  return change.type === 'delete' ? { delete: change.key, ifVersion } : { check: change.key, ifVersion };
}

export function fromChangeMessage({ write, delete: deleted, check, ifVersion }: storeProto.Change): Change {
  if (write) return { type: 'write', record: fromNewMessage(write), ifVersion };
  if (deleted !== undefined) return { type: 'delete', key: deleted, ifVersion };
  if (check === undefined) throw invalid('a change of the transaction is no write, no deletion and no check');
  if (ifVersion === undefined) throw invalid(`the check of ${JSON.stringify(check.slice(0, 60))} has no version`);
  return { type: 'check', key: check, ifVersion };
}

export function toEventMessage(event: StoreEvent): { written?: storeProto.Record; deleted?: string; synced?: object } {
  if (event.type === 'written') return { written: toMessage(event.record) };
  return event.type === 'deleted' ? { deleted: event.key } : { synced: {} };
}

/** Undefined for a type of event that a later version may have. */
export function fromEventMessage({ written, deleted, synced }: storeProto.WatchEvent): StoreEvent | undefined {
  if (written) return { type: 'written', record: fromMessage(written) };
  if (deleted !== undefined) return { type: 'deleted', key: deleted };
  return synced ? { type: 'synced' } : undefined;
}

export function toSnapshotMessage({ table, record }: SnapshotRecord): storeProto.SnapshotRecord {
  const { key, value, metadata, expiresAt } = record;
  const checked = checkedExpiry(key, expiresAt);
  return { table, record: { key, value, metadata: { ...metadata }, expiresAt: toTime(checked), version: 0n } };
}

export function fromSnapshotMessage({ table, record }: storeProto.SnapshotRecord): SnapshotRecord {
  if (!record) throw invalid('a record of the snapshot is empty');
  const { key, value, metadata } = record;
  const expiresAt = checkedExpiry(key, fromTime(record.expiresAt));
  return { table, record: { key, value: own(value), metadata: { ...metadata }, expiresAt } };
}

/** At least as many as its message has. */
export function bytesOf({ key, value, metadata }: Pick<StoreRecord, 'key' | 'value' | 'metadata'>): number {
  let bytes = 64 + 3 * key.length + value.length;
  for (const [name, text] of Object.entries(metadata)) bytes += 20 + 3 * (name.length + text.length);
  return bytes;
}

export function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'store' });
}

/** A copy, since what is decoded is part of all that came with it. */
function own(value: Uint8Array): Uint8Array {
  return new Uint8Array(value);
}

function toTime(expiresAt: number | undefined): bigint | undefined {
  return expiresAt === undefined ? undefined : BigInt(Math.round(expiresAt));
}

function fromTime(expiresAt: bigint | undefined): number | undefined {
  return expiresAt === undefined ? undefined : Number(expiresAt);
}
