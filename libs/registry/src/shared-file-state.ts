/** The file of shared-file.ts: one JSON value a line. Whatever is in it, reading it never throws for it. */
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { PlacementKey } from './catalog.js';
import { type Content, decodeContent, hashOf, isTextRecord, largestContent, parseJson } from './content.js';
import { lockFile } from './file-lock.js';
import type { Node } from './registry.js';
import { checkedNamespace, checkedTtl, checkService } from './validation.js';

/** One node. */
export interface FileEntry {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly node: Node;
  readonly hash: string;
  readonly since: number;
  readonly ttl: number;
  /** Milliseconds since the epoch: the only clock that processes share. */
  readonly expires: number;
}

export interface FileState {
  /** Grows with every change but renewals, so that renewals cost readers next to nothing. */
  revision: number;
  readonly entries: Map<string, FileEntry>;
  /** Encoded contents, deflated, in base64, by hash. */
  readonly contents: Map<string, string>;
}

const format = 'micro-registry/1';

export function keyText({ namespace, name, version, id }: PlacementKey): string {
  return JSON.stringify([namespace, name, version, id]);
}

export function entryKey({ namespace, name, version, node }: FileEntry): PlacementKey {
  return { namespace, name, version, id: node.id };
}

/** What is in the file; nothing if there is none. */
export async function readState(file: string): Promise<FileState> {
  const state: FileState = { revision: 0, entries: new Map(), contents: new Map() };
  const text = await readFile(file, 'utf8').catch(absent);
  for (const line of (text ?? '').split('\n')) {
    const value = parseJson(Buffer.from(line));
    if (typeof value !== 'object' || value === null) continue;
    const { revision, hash, content } = value as Record<string, unknown>;
    if (typeof revision === 'number') state.revision = revision;
    else if (typeof hash === 'string' && typeof content === 'string') state.contents.set(hash, content);
    else if (isEntry(value)) state.entries.set(keyText(entryKey(value)), value);
  }
  return state;
}

/** Only its first line; 0 if there is no file. */
export async function readRevision(file: string): Promise<number> {
  const handle = await open(file).catch(absent);
  if (!handle) return 0;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(100), 0, 100, 0);
    const line = buffer.subarray(0, bytesRead);
    const value = parseJson(line.subarray(0, Math.max(0, line.indexOf('\n'))));
    return Number((value as { revision?: unknown } | undefined)?.revision) || 0;
  } finally {
    await handle.close();
  }
}

/**
 * Changes the file under its lock, all or nothing: readers see the file before or after, and a process that dies in between leaves the one
 * before. `change` says whether it did more than renew. The revision after.
 */
export async function changeState(file: string, change: (state: FileState) => boolean): Promise<number> {
  const draftOf = (token: string) => `${file}.${token}.draft`;
  for (;;) {
    const lock = await lockFile(`${file}.lock`, (token) => rm(draftOf(token), { force: true }));
    const draft = draftOf(lock.token);
    try {
      const state = await readState(file);
      if (change(state)) state.revision++;
      await writeFile(draft, textOf(state), { mode: 0o600 });
      if (!(await lock.isHeld())) continue;
      await rename(draft, file);
      return state.revision;
    } finally {
      await rm(draft, { force: true });
      await lock.release();
    }
  }
}

export function packContent(bytes: Uint8Array): string {
  return deflateRawSync(bytes).toString('base64');
}

/** Content that was packed; undefined if it is not that of this hash. */
export function unpackContent(hash: string, packed: string): Content | undefined {
  try {
    const bytes = inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: largestContent });
    return hashOf(bytes) === hash ? decodeContent(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** Without what has expired, and without contents that nobody has any more. */
function textOf({ revision, entries, contents }: FileState): string {
  const live = [...entries.values()].filter(({ expires }) => expires > Date.now());
  const hashes = new Set(live.map(({ hash }) => hash));
  const used = [...contents].filter(([hash]) => hashes.has(hash)).map(([hash, content]) => ({ hash, content }));
  return [{ revision, format }, ...used, ...live].map((value) => `${JSON.stringify(value)}\n`).join('');
}

function isEntry(value: object): value is FileEntry {
  const { namespace, name, version, node, hash, since, ttl, expires } = value as Partial<FileEntry>;
  try {
    checkService({
      name: name as string,
      version: version as string,
      nodes: [node as Node],
      metadata: {},
      endpoints: [],
    });
    checkedNamespace(namespace);
    checkedTtl(ttl);
  } catch {
    return false;
  }
  return isTextRecord(node?.metadata) && typeof hash === 'string' && Number.isFinite(since) && Number.isFinite(expires);
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
