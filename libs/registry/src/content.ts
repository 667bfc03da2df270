import { createHash } from 'node:crypto';
import { MicroError } from '@micro/errors';
import type { Endpoint, Service } from './registry.js';

/** What all nodes of a service version have in common. */
export type Content = Pick<Service, 'metadata' | 'endpoints' | 'schema'>;

/** Bytes of encoded content; far beyond any real service. */
export const largestContent = 1024 * 1024;

/** Content with its encoded form and the hash that stands for it. */
export interface EncodedContent {
  readonly content: Content;
  readonly bytes: Uint8Array;
  readonly hash: string;
}

const kinds: ReadonlySet<unknown> = new Set(['unary', 'clientStream', 'serverStream', 'bidiStream']);
const idempotencies: ReadonlySet<unknown> = new Set(['unknown', 'noSideEffects', 'idempotent']);

/**
 * The content of a service as bytes: JSON of metadata and endpoints, then, if there is a schema, a zero byte (which JSON never has) and
 * the schema. The content that is returned is read back from them, so it shares nothing with what the caller may change later.
 * MicroError `invalid_argument` if it is larger than 1 MB.
 */
export function encodeContent(service: Service): EncodedContent {
  const { metadata, schema } = service;
  const endpoints = service.endpoints.map(endpointOf);
  const json = Buffer.from(JSON.stringify({ metadata, endpoints }));
  const bytes = schema?.length ? Buffer.concat([json, zero, schema]) : json;
  if (bytes.length > largestContent) {
    throw new MicroError(
      'invalid_argument',
      `service ${service.name} is described by ${bytes.length} bytes; ${largestContent} are allowed`,
      {
        id: 'registry',
      },
    );
  }
  const content = decodeContent(bytes);
  if (!content)
    throw new MicroError('invalid_argument', `endpoints or metadata of service ${service.name} are malformed`, {
      id: 'registry',
    });
  return { content, bytes, hash: hashOf(bytes) };
}

/** The content that the bytes stand for; undefined if they are not what `encodeContent` makes. */
export function decodeContent(bytes: Uint8Array): Content | undefined {
  const end = bytes.indexOf(0);
  const json = parseJson(end < 0 ? bytes : bytes.subarray(0, end));
  if (typeof json !== 'object' || json === null) return undefined;
  const { metadata, endpoints } = json as Record<string, unknown>;
  if (!isTextRecord(metadata) || !Array.isArray(endpoints) || !endpoints.every(isEndpoint)) return undefined;
  // A copy: what came in a packet or a file must not be kept alive by its schema.
  return {
    metadata,
    endpoints: endpoints.map(endpointOf),
    schema: end < 0 ? undefined : new Uint8Array(bytes.subarray(end + 1)),
  };
}

/** 128 bits of SHA-256, in hexadecimal digits: short enough for a DNS label. */
export function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** Own JSON value, or undefined: what comes from outside is not trusted to be any. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as unknown;
  } catch {
    return undefined;
  }
}

export function isTextRecord(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}

export function sameTexts(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && one[key] === other[key])
  );
}

/** One key for name and version; neither can have a zero byte. */
export function versionKey({ name, version }: Pick<Service, 'name' | 'version'>): string {
  return `${name}\0${version}`;
}

const zero = Buffer.alloc(1);

function endpointOf({ name, path, kind, idempotency, request, response, metadata }: Endpoint): Endpoint {
  return { name, path, kind, idempotency, request, response, metadata };
}

function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { name, path, kind, idempotency, request, response, metadata } = value as Record<string, unknown>;
  const texts = [name, path, request, response];
  return (
    texts.every((text) => typeof text === 'string') &&
    kinds.has(kind) &&
    idempotencies.has(idempotency) &&
    isTextRecord(metadata)
  );
}
