import { MicroError } from '@micro/errors';
import { defaultDatabase, defaultTable, storeLimits } from '../store.js';
import type { BlobOptions, ListBlobsOptions, ReadBlobOptions, WriteBlobOptions } from './blobs.js';

const keyBytes = 1_024;
const contentTypeBytes = 255;
const defaultContentType = 'application/octet-stream';

/** Where a blob is. */
export interface Place {
  readonly database: string;
  readonly table: string;
}

/** What is said of a blob that is to be written. */
export interface Description {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly sha256: string | undefined;
}

export interface Range {
  readonly offset: number;
  /** Undefined: to the end. */
  readonly length: number | undefined;
}

export interface Listing {
  readonly prefix: string;
  readonly limit: number;
  /** The last key of the page before; undefined: there is none. */
  readonly after: string | undefined;
}

export function checkedPlace({ database = defaultDatabase, table = defaultTable }: BlobOptions = {}): Place {
  checkName('database', database);
  checkName('table', table);
  return { database, table };
}

export function checkedKey(key: string): string {
  checkText('key', key);
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) throw invalid('the key is empty');
  if (bytes > keyBytes) throw invalid(`the key ${quote(key)} has ${bytes} bytes of UTF-8: ${keyBytes} are the most`);
  return key;
}

export function checkedDescription(options: WriteBlobOptions = {}): Description {
  const { contentType = defaultContentType, metadata = {}, sha256 } = options;
  checkText('content type', contentType);
  if (contentType === '' || Buffer.byteLength(contentType) > contentTypeBytes || /\p{Cc}/u.test(contentType))
    throw invalid(`the content type ${quote(contentType)} is not a line of 1 to ${contentTypeBytes} bytes`);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256))
    throw invalid(`sha256 ${quote(sha256)} is not 64 lower-case hexadecimal digits`);
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    checkText('name of metadata', name);
    checkText(`value of metadata ${quote(name)}`, value);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > storeLimits.metadataBytes)
    throw invalid(`metadata of ${bytes} bytes: ${storeLimits.metadataBytes} are the most`);
  return { contentType, metadata: { ...metadata }, sha256 };
}

export function checkedRange({ offset = 0, length }: ReadBlobOptions = {}): Range {
  if (!Number.isSafeInteger(offset) || offset < 0) throw invalid(`offset ${offset} is not a whole number from 0`);
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 1))
    throw invalid(`length ${length} is not a whole number from 1: leave it out to read to the end`);
  return { offset, length };
}

/** The end of a range within a blob of `size` bytes. MicroError `out_of_range` if it begins behind it. */
export function endOf({ offset, length }: Range, key: string, size: number): number {
  if (offset > size)
    throw new MicroError('out_of_range', `blob ${quote(key)} has ${size} bytes, none from ${offset} on`, {
      id: 'store',
    });
  return length === undefined ? size : Math.min(size, offset + length);
}

export function checkedListing({ prefix = '', limit = 1_000, cursor }: ListBlobsOptions = {}): Listing {
  checkText('prefix', prefix);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 10_000)
    throw invalid(`limit ${limit} is not a whole number from 1 to 10,000`);
  const after = cursor === undefined ? undefined : keyOf(cursor);
  if (after !== undefined && !after.startsWith(prefix))
    throw invalid('the cursor is of a list with another prefix: go on with the prefix that it began with');
  return { prefix, limit, after };
}

/** Of the page that ends with `key`. */
export function cursorOf(key: string): string {
  return `1.${Buffer.from(key).toString('base64url')}`;
}

export function checkPiece(piece: unknown): asserts piece is Uint8Array {
  if (!(piece instanceof Uint8Array)) throw invalid('content comes in pieces that are each a Uint8Array');
}

export function checkHash(key: string, { sha256 }: Description, is: string): void {
  if (sha256 === undefined || sha256 === is) return;
  const detail = `the content for blob ${quote(key)} hashes to ${is}, not to ${sha256} as it should: it changed on its way, write it again`;
  throw new MicroError('data_loss', detail, { id: 'store' });
}

export function notFound(key: string, { database, table }: Place): MicroError {
  const detail = `there is no blob ${quote(key)} in table ${quote(table)} of database ${quote(database)}`;
  return new MicroError('not_found', detail, { id: 'store' });
}

/** What every call on closed blobs is answered with. */
export function closed(): MicroError {
  return new MicroError('unavailable', 'these blobs are closed: open others', { id: 'store' });
}

export function canceled(): MicroError {
  return new MicroError('canceled', 'given up by its signal', { id: 'store' });
}

export function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'store' });
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function checkName(what: string, name: string): void {
  if (typeof name === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(name)) return;
  throw invalid(
    `${what} ${quote(String(name))} may only have letters, digits, '.', '_' and '-', at most ${storeLimits.nameLength} of them`,
  );
}

function checkText(what: string, text: string): void {
  if (typeof text !== 'string') throw invalid(`the ${what} is not a text`);
  if (/\p{Cs}/u.test(text))
    throw invalid(`the ${what} ${quote(text)} has half of a surrogate pair, which UTF-8 cannot say`);
}

function keyOf(cursor: string): string {
  const key = Buffer.from(cursor.slice(2), 'base64url').toString();
  if (key === '' || cursorOf(key) !== cursor)
    throw invalid(`the cursor ${quote(cursor)} is of no page: list from the start`);
  return key;
}
