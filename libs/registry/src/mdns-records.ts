/** A node as DNS-SD records (RFC 6763) and back. Pure: what comes from outside is checked here, and nothing here throws on it. */
import { isIP } from 'node:net';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Placement, PlacementKey } from './catalog.js';
import { hashOf, isTextRecord, largestContent, parseJson } from './content.js';
import type { Node } from './registry.js';
import { checkedNamespace, checkedTtl, checkNode, checkService } from './validation.js';

export const serviceType = '_micro._tcp.local';
/** Asked for the pointers to all nodes without what they point to, by those who know more than fits into a question. */
export const pointersOnly = `_pointers.${serviceType}`;
/** Asked by browsers that want to know which types of service there are (RFC 6763, section 9). */
export const serviceTypes = '_services._dns-sd._udp.local';

/** Bytes of one packet, headers of IP and UDP left out (RFC 6762, section 17: 9,000 with them). */
export const largestPacket = 8_900;
const longestString = 255;
const chunkBytes = 32 * longestString;
/** Metadata that needs more than this goes into a blob of its own. */
const inlineMetadataBytes = 1_000;

export type Texts = readonly Buffer[];

interface Of<Type, Data> {
  readonly name: string;
  readonly type: Type;
  /** Seconds; 0 says goodbye. */
  readonly ttl: number;
  /** Whether it replaces what was known of this name and type: for records that only one node has. */
  readonly flush: boolean;
  readonly data: Data;
}
export type DnsRecord =
  | Of<'PTR', string>
  | Of<'SRV', { readonly port: number; readonly target: string }>
  | Of<'TXT', Texts>
  | Of<'A', string>
  | Of<'AAAA', string>;

export interface Question {
  readonly name: string;
  readonly type: string;
}

/** Bytes under their hash, deflated and cut to fit TXT records. */
export interface Blob {
  readonly hash: string;
  readonly chunks: readonly Buffer[];
}

/** A blob that is somewhere else. */
export interface BlobReference {
  readonly hash: string;
  readonly count: number;
}

/** What is announced of a node. */
export type Announcement = Omit<Placement, 'content' | 'hash'> & {
  /** Metadata, endpoints and schema of its service. */
  readonly service: Blob;
};

/** The records of a node, by what they are for. */
export interface NodeRecords {
  /** `_micro._tcp.local` → the node. */
  readonly pointer: DnsRecord & { readonly type: 'PTR' };
  /** Host and port; absent if the host is no name that DNS can carry. */
  readonly location: DnsRecord | undefined;
  /** Everything that Micro itself needs to know of the node, and all that it repeats to renew. */
  readonly text: DnsRecord & { readonly type: 'TXT' };
  /** The host's address, if the host is not a name of its own. */
  readonly host: DnsRecord | undefined;
  /** By hash. */
  readonly blobs: ReadonlyMap<string, Blob>;
}

/** What the TXT record of a node says. */
export interface NodeText {
  readonly key: PlacementKey;
  readonly address: string;
  readonly ttl: number;
  readonly since: number;
  readonly service: BlobReference;
  /** The metadata of the node, or where it is. */
  readonly metadata: Readonly<Record<string, string>> | BlobReference;
}

/** Keys of the TXT record that are not metadata of the node. */
const ownKeys: ReadonlySet<string> = new Set([
  'txtvers',
  'name',
  'version',
  'namespace',
  'id',
  'address',
  'ttl',
  'since',
  'service',
  'node',
  'by',
]);

/** The first label of a node's records: a name that people can read, and a hash that makes it unique. */
export function labelOf({ namespace, name, version, id }: PlacementKey): string {
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40);
  return `${readable || 'service'}-${hashOf(JSON.stringify([namespace, name, version, id])).slice(0, 12)}`;
}

/** The label, if the name is that of a node. */
export function labelIn(name: string): string | undefined {
  const label = name.slice(0, -serviceType.length - 1);
  return name.endsWith(`.${serviceType}`) && !label.includes('.') ? label : undefined;
}

/** The name under which only the nodes of one namespace are found (RFC 6763, section 7.1). */
export function subtypeOf(namespace: string): string {
  return `_${namespace
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 60)}._sub.${serviceType}`;
}

export function blobName({ hash }: { readonly hash: string }, chunk: number, label: string): string {
  return `${chunk}.${hash}.${label}.${serviceType}`;
}

export function parseBlobName(name: string): { chunk: number; hash: string; label: string } | undefined {
  const [, chunk, hash, label] = /^(\d{1,4})\.([0-9a-f]{32})\.([^.]+)\._micro\._tcp\.local$/.exec(name) ?? [];
  return hash && label ? { chunk: Number(chunk), hash, label } : undefined;
}

export function packBlob(bytes: Uint8Array, hash = hashOf(bytes)): Blob {
  const deflated = deflateRawSync(bytes);
  const chunks: Buffer[] = [];
  for (let at = 0; at === 0 || at < deflated.length; at += chunkBytes)
    chunks.push(deflated.subarray(at, at + chunkBytes));
  return { hash, chunks };
}

/** The bytes of a blob; undefined if the chunks are not those of this hash. */
export function unpackBlob(hash: string, chunks: readonly Uint8Array[]): Uint8Array | undefined {
  try {
    const bytes = inflateRawSync(Buffer.concat(chunks), { maxOutputLength: largestContent });
    return hashOf(bytes) === hash ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** One chunk as the strings of a TXT record, and back. */
export function stringsOf(chunk: Buffer): Texts {
  const strings: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += longestString) strings.push(chunk.subarray(at, at + longestString));
  return strings;
}

export function blobRecord(blob: Blob, chunk: number, label: string, ttl: number): DnsRecord | undefined {
  const data = blob.chunks[chunk];
  return (
    data && { name: blobName(blob, chunk, label), type: 'TXT', ttl: seconds(ttl), flush: true, data: stringsOf(data) }
  );
}

export function recordsOf(announcement: Announcement): NodeRecords {
  const { namespace, name, version, node, since, service } = announcement;
  const ttl = seconds(announcement.ttl);
  const full = `${labelOf({ namespace, name, version, id: node.id })}.${serviceType}`;
  const inline = inlineMetadata(node.metadata);
  const blob = inline ? undefined : packBlob(Buffer.from(JSON.stringify(node.metadata)));
  const texts = {
    txtvers: '1',
    name,
    version,
    namespace,
    id: node.id,
    address: node.address,
    ttl: String(announcement.ttl),
    since: String(since),
    service: referenceText(service),
    ...(blob && { node: referenceText(blob) }),
  };
  const strings = [...Object.entries(texts).map(([key, value]) => Buffer.from(`${key}=${value}`)), ...(inline ?? [])];
  const place = placeOf(node.address, ttl);
  return {
    pointer: { name: serviceType, type: 'PTR', ttl, flush: false, data: full },
    location: place && { name: full, type: 'SRV', ttl, flush: true, data: { port: place.port, target: place.target } },
    text: { name: full, type: 'TXT', ttl, flush: true, data: strings },
    host: place?.host,
    blobs: new Map([service, blob].flatMap((one) => (one ? [[one.hash, one]] : []))),
  };
}

/**
 * Records that take a node away (RFC 6762, section 10.1). `by` lets the sender know its own goodbye when it hears it; `since` is that of the
 * node, by which others know what was sent before, and arrives after it.
 */
export function goodbyeOf(label: string, by: string, since?: number): readonly DnsRecord[] {
  const full = `${label}.${serviceType}`;
  const texts = ['txtvers=1', `by=${by}`, ...(since === undefined ? [] : [`since=${since}`])];
  return [
    { name: serviceType, type: 'PTR', ttl: 0, flush: false, data: full },
    { name: full, type: 'TXT', ttl: 0, flush: true, data: texts.map((text) => Buffer.from(text)) },
  ];
}

/** Who said a goodbye, and of what; of a node that was not the sender's nobody may know since when it was there. */
export function parseGoodbye(texts: Texts): { readonly by: string | undefined; readonly since: number | undefined } {
  const values = textMap(texts);
  const since = Number(values.get('since'));
  return { by: values.get('by'), since: Number.isSafeInteger(since) ? since : undefined };
}

/** What a TXT record under a node's label says; undefined if it is not one that we would have made. */
export function parseText(label: string, texts: Texts): NodeText | undefined {
  const values = textMap(texts);
  const [name, version, namespace, id, address] = ['name', 'version', 'namespace', 'id', 'address'].map((key) =>
    values.get(key),
  );
  const service = parseReference(values.get('service'));
  const details = parseReference(values.get('node'));
  const ttl = Number(values.get('ttl'));
  const since = Number(values.get('since'));
  if (values.get('txtvers') !== '1' || !service || !Number.isSafeInteger(since)) return undefined;
  if (
    name === undefined ||
    version === undefined ||
    namespace === undefined ||
    id === undefined ||
    address === undefined
  )
    return undefined;
  const key = { namespace, name, version, id };
  const metadata = details ?? Object.fromEntries([...values].filter(([text]) => !ownKeys.has(text)));
  const node: Node = { id, address, metadata: details ? {} : Object.fromEntries(Object.entries(metadata)) };
  try {
    checkService({ name, version, nodes: [node], metadata: {}, endpoints: [] });
    checkedNamespace(namespace);
    checkedTtl(ttl);
  } catch {
    return undefined;
  }
  return labelOf(key) === label ? { key, address, ttl, since, service, metadata } : undefined;
}

export function isReference(metadata: NodeText['metadata']): metadata is BlobReference {
  return typeof metadata['count'] === 'number';
}

/** Metadata from a blob; undefined if it is none, or none that could have been registered. */
export function parseMetadata(bytes: Uint8Array): Readonly<Record<string, string>> | undefined {
  const metadata = parseJson(bytes);
  if (!isTextRecord(metadata)) return undefined;
  try {
    checkNode({ id: 'any', address: 'any:1', metadata });
    return metadata;
  } catch {
    return undefined;
  }
}

/** Bytes of a record or question in a packet, names uncompressed. */
export function lengthOf(record: DnsRecord | Question): number {
  const name = Buffer.byteLength(record.name) + 2;
  if (!('data' in record)) return name + 4;
  switch (record.type) {
    case 'PTR':
      return name + 10 + Buffer.byteLength(record.data) + 2;
    case 'SRV':
      return name + 10 + 6 + Buffer.byteLength(record.data.target) + 2;
    case 'TXT':
      return name + 10 + record.data.reduce((sum, text) => sum + text.length + 1, 0);
    case 'A':
      return name + 10 + 4;
    case 'AAAA':
      return name + 10 + 16;
  }
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}

function referenceText(blob: Blob): string {
  return `${blob.hash}/${blob.chunks.length}`;
}

function parseReference(text: string | undefined): BlobReference | undefined {
  const [, hash, count] = /^([0-9a-f]{32})\/([1-9]\d{0,2})$/.exec(text ?? '') ?? [];
  return hash ? { hash, count: Number(count) } : undefined;
}

/** Keys and values of a TXT record; keys are lower case, and of two equal ones the first counts (RFC 6763, section 6.4). */
function textMap(texts: Texts): Map<string, string> {
  const values = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at <= 0) continue;
    const key = text.toString('utf8', 0, at).toLowerCase();
    if (!values.has(key)) values.set(key, text.toString('utf8', at + 1));
  }
  return values;
}

/** Metadata as readable strings of the TXT record, where that loses nothing. */
function inlineMetadata(metadata: Readonly<Record<string, string>>): Texts | undefined {
  const strings = Object.entries(metadata).map(([key, value]) => ({
    key,
    value,
    bytes: Buffer.from(`${key}=${value}`),
  }));
  const plain = strings.every(
    ({ key, value, bytes }) =>
      /^[a-z][a-z0-9._-]{0,62}$/.test(key) &&
      !ownKeys.has(key) &&
      !/\p{Cs}/u.test(value) &&
      bytes.length <= longestString,
  );
  const size = strings.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  return plain && size <= inlineMetadataBytes ? strings.map(({ bytes }) => bytes) : undefined;
}

function placeOf(
  address: string,
  ttl: number,
): { port: number; target: string; host: DnsRecord | undefined } | undefined {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(address) ?? [];
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const family = isIP(host);
  if (family) {
    const target = `micro-${host.replace(/[^0-9a-f]/g, '-')}.local`;
    const base = { name: target, ttl, flush: true, data: host };
    return { port: Number(port), target, host: family === 4 ? { ...base, type: 'A' } : { ...base, type: 'AAAA' } };
  }
  const isName = host.length < 250 && host.split('.').every((label) => /^[a-z0-9_-]{1,63}$/.test(label));
  return isName ? { port: Number(port), target: host, host: undefined } : undefined;
}
