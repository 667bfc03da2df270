import { MicroError } from '@micro/errors';
import { checkedPlace, invalid, type Place, quote } from './blob/validation.js';
import {
  type Change,
  type ListOptions,
  type NewRecord,
  storeLimits,
  type StoreRecord,
  type TableOptions,
  type WatchOptions,
} from './store.js';

/** A record that is to be written, as the adapters take it. */
export interface Writing {
  readonly key: string;
  /** A copy: the caller's bytes may change. */
  readonly value: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttl: number | undefined;
}

/** One part of a transaction: `write` undefined is a deletion, or, with `check`, a look. */
export interface CheckedChange {
  readonly key: string;
  readonly write: Writing | undefined;
  readonly check: boolean;
  readonly ifVersion: bigint | undefined;
}

export interface Listing {
  readonly prefix: string;
  readonly suffix: string;
  readonly limit: number;
  readonly offset: number;
  readonly descending: boolean;
  /** The last key of the page before; undefined: there is none. */
  readonly after: string | undefined;
  readonly keysOnly: boolean;
}

export function checkedTable(options: TableOptions | undefined): Place {
  return checkedPlace(options);
}

export function checkedKey(key: string): string {
  checkText('key', key);
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) throw invalid('the key is empty');
  if (bytes > storeLimits.keyBytes)
    throw invalid(`the key ${quote(key)} has ${bytes} bytes of UTF-8: ${storeLimits.keyBytes} are the most`);
  return key;
}

/** When a record of a snapshot expires: a whole number of milliseconds since 1970, or never. */
export function checkedExpiry(key: string, expiresAt: number | undefined): number | undefined {
  if (expiresAt === undefined || Number.isSafeInteger(expiresAt)) return expiresAt;
  throw invalid(`the record ${quote(key)} of the snapshot expires at ${expiresAt}, which no clock shows`);
}

export function checkedWriting({ key, value, metadata = {}, ttl }: NewRecord): Writing {
  checkedKey(key);
  if (!(value instanceof Uint8Array)) throw invalid(`the value of ${quote(key)} is not a Uint8Array`);
  if (value.length > storeLimits.valueBytes)
    throw invalid(
      `the value of ${quote(key)} has ${value.length} bytes: ${storeLimits.valueBytes} are the most; keep it as a blob`,
    );
  if (metadataBytes(metadata) > storeLimits.metadataBytes)
    throw invalid(`the metadata of ${quote(key)} has more than ${storeLimits.metadataBytes} bytes`);
  if (ttl !== undefined && !(ttl >= 1 && ttl <= storeLimits.ttl))
    throw invalid(
      `ttl ${ttl} is not a number of milliseconds from 1 to 10^15: leave it out to keep ${quote(key)} for ever`,
    );
  return { key, value: Buffer.from(value), metadata: { ...metadata }, ttl };
}

export function checkedVersion(version: bigint | undefined): bigint | undefined {
  if (version === undefined || (typeof version === 'bigint' && version >= 0n)) return version;
  throw invalid(`ifVersion ${String(version)} is no version: give that of a record that was read, or 0n`);
}

export function checkedChanges(changes: readonly Change[]): readonly CheckedChange[] {
  if (changes.length === 0) throw invalid('a transaction needs at least one change');
  if (changes.length > storeLimits.changes)
    throw invalid(`a transaction has at most ${storeLimits.changes} changes, not ${changes.length}`);
  const keys = new Set<string>();
  let bytes = 0;
  const checked = changes.map((change): CheckedChange => {
    const write = change.type === 'write' ? checkedWriting(change.record) : undefined;
    const key = change.type === 'write' ? change.record.key : checkedKey(change.key);
    if (keys.has(key)) throw invalid(`the key ${quote(key)} comes twice in the transaction`);
    keys.add(key);
    bytes += Buffer.byteLength(key) + (write ? write.value.length + metadataBytes(write.metadata) : 0);
    if (change.type === 'check' && change.ifVersion === undefined)
      throw invalid(`the check of ${quote(key)} needs ifVersion`);
    return { key, write, check: change.type === 'check', ifVersion: checkedVersion(change.ifVersion) };
  });
  if (bytes > storeLimits.changesBytes)
    throw invalid(`the transaction has ${bytes} bytes: ${storeLimits.changesBytes} are the most`);
  return checked;
}

export function checkedListing(options: ListOptions = {}): Listing {
  const {
    prefix = '',
    suffix = '',
    limit = 1_000,
    offset = 0,
    order = 'ascending',
    cursor,
    keysOnly = false,
  } = options;
  checkText('prefix', prefix);
  checkText('suffix', suffix);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    throw invalid(`limit ${limit} is not a whole number from 1 to 10,000`);
  if (!Number.isSafeInteger(offset) || offset < 0) throw invalid(`offset ${offset} is not a whole number from 0`);
  if (order !== 'ascending' && order !== 'descending')
    throw invalid(`order ${quote(String(order))} is neither ascending nor descending`);
  if (cursor !== undefined && offset > 0) throw invalid('a cursor goes on where its page ended: leave the offset out');
  const descending = order === 'descending';
  const after = cursor === undefined ? undefined : keyOf(cursor, descending);
  if (after !== undefined && !(after.startsWith(prefix) && after.endsWith(suffix)))
    throw invalid('the cursor is of a list with another prefix or suffix: go on with those that it began with');
  return { prefix, suffix, limit, offset, descending, after, keysOnly };
}

export function checkedWatch(options: WatchOptions = {}): Place & { readonly prefix: string } {
  const { prefix = '' } = options;
  checkText('prefix', prefix);
  return { ...checkedPlace(options), prefix };
}

/** Of the page that ends with `key`. */
export function cursorOf(key: string, descending: boolean): string {
  return `${descending ? 'd' : 'a'}.${Buffer.from(key).toString('base64url')}`;
}

export function notFound(key: string, { database, table }: Place): MicroError {
  const detail = `there is no record ${quote(key)} in table ${quote(table)} of database ${quote(database)}`;
  return new MicroError('not_found', detail, { id: 'store' });
}

/** Throws `aborted` unless the record before a change is as it must be. */
export function checkCondition(key: string, ifVersion: bigint | undefined, before: bigint | undefined): void {
  if (ifVersion === undefined || ifVersion === (before ?? 0n)) return;
  const is = before === undefined ? 'is not there' : `has version ${before}`;
  const wanted = ifVersion === 0n ? 'be new' : `have version ${ifVersion}`;
  throw new MicroError('aborted', `the record ${quote(key)} ${is}, and should ${wanted}: read it again`, {
    id: 'store',
  });
}

/** What every call on a closed store is answered with. */
export function closed(): MicroError {
  return new MicroError('unavailable', 'this store is closed: open another', { id: 'store' });
}

/** As it is given away: nobody's but the caller's. */
export function given(record: StoreRecord, keysOnly = false): StoreRecord {
  return {
    ...record,
    value: keysOnly ? new Uint8Array() : new Uint8Array(record.value),
    metadata: { ...record.metadata },
  };
}

function metadataBytes(metadata: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    checkText('name of metadata', name);
    checkText(`value of metadata ${quote(name)}`, value);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  return bytes;
}

function checkText(what: string, text: string): void {
  if (typeof text !== 'string') throw invalid(`the ${what} is not a text`);
  if (/\p{Cs}/u.test(text))
    throw invalid(`the ${what} ${quote(text)} has half of a surrogate pair, which UTF-8 cannot say`);
}

function keyOf(cursor: string, descending: boolean): string {
  const key = Buffer.from(cursor.slice(2), 'base64url').toString();
  if (key !== '' && cursorOf(key, descending) === cursor) return key;
  throw invalid(`the cursor ${quote(cursor)} is of no page in this order: list from the start`);
}
