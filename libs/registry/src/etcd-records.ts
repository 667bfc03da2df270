/**
 * What is in etcd. A node is small and under its process's lease; what all nodes of a version have in common is stored once, without a lease:
 *
 *     <prefix><namespace>/nodes/<name>/<version>/<id>          {"address":…,"metadata":…,"content":<hash>,"since":…}
 *     <prefix><namespace>/contents/<name>/<version>/<hash>     content.ts's bytes, deflated
 *
 * `/` and `%` within a part are escaped. Pure: what others wrote is checked here, and nothing here throws on it.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { PlacementKey } from './catalog.js';
import { type Content, decodeContent, hashOf, isTextRecord, largestContent, parseJson } from './content.js';
import type { Node } from './registry.js';

/** What a node's key says of the version that it runs. */
export type VersionKey = Pick<PlacementKey, 'namespace' | 'name' | 'version'>;

export interface NodeRecord {
  readonly address: string;
  readonly metadata: Node['metadata'];
  /** Hash of the content. */
  readonly content: string;
  /** As in a placement. */
  readonly since: number;
}

/** Keys from `start`, included, to `end`, which is not. */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

export type ParsedKey =
  | { readonly type: 'node'; readonly node: PlacementKey }
  | { readonly type: 'content'; readonly version: VersionKey; readonly hash: string };

/** The keys under one prefix, which ends with a slash. */
export class EtcdKeys {
  readonly all: KeyRange;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.all = under(prefix);
  }

  node(key: PlacementKey): string {
    return `${this.nodes(key).start}${escaped(key.id)}`;
  }

  /** All nodes of a version. */
  nodes(version: VersionKey): KeyRange {
    return under(this.#path('nodes', version));
  }

  content(version: VersionKey, hash: string): string {
    return `${this.contents(version).start}${hash}`;
  }

  /** All contents of a version. */
  contents(version: VersionKey): KeyRange {
    return under(this.#path('contents', version));
  }

  /** Undefined for a key that is not ours. */
  parse(key: string): ParsedKey | undefined {
    const parts = key.slice(this.#prefix.length).split('/').map(unescaped);
    const [namespace, type, name, version, last] = parts;
    if (parts.length !== 5 || !namespace || !name || !version || !last) return undefined;
    if (type === 'nodes') return { type: 'node', node: { namespace, name, version, id: last } };
    if (type === 'contents') return { type: 'content', version: { namespace, name, version }, hash: last };
    return undefined;
  }

  #path(type: 'nodes' | 'contents', { namespace, name, version }: VersionKey): string {
    return `${this.#prefix}${namespace}/${type}/${escaped(name)}/${escaped(version)}/`;
  }
}

/** Two records of the same node are the same text. */
export function encodeNode({ address, metadata, content, since }: NodeRecord): string {
  return JSON.stringify({ address, metadata, content, since });
}

export function decodeNode(bytes: Uint8Array): NodeRecord | undefined {
  const json = parseJson(bytes);
  if (typeof json !== 'object' || json === null) return undefined;
  const { address, metadata, content, since } = json as Record<string, unknown>;
  if (typeof address !== 'string' || typeof content !== 'string' || typeof since !== 'number') return undefined;
  return isTextRecord(metadata) ? { address, metadata, content, since } : undefined;
}

export function packContent(bytes: Uint8Array): Buffer {
  return deflateRawSync(bytes);
}

/** Content that was packed; undefined if it is not that of this hash. */
export function unpackContent(hash: string, packed: Uint8Array): Content | undefined {
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength: largestContent });
    return hashOf(bytes) === hash ? decodeContent(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** The keys that begin with a path, which ends with a slash: `0` is the next character. */
function under(path: string): KeyRange {
  return { start: path, end: `${path.slice(0, -1)}0` };
}

function escaped(part: string): string {
  return part.replaceAll('%', '%25').replaceAll('/', '%2F');
}

function unescaped(part: string): string {
  return part.replaceAll('%2F', '/').replaceAll('%25', '%');
}
