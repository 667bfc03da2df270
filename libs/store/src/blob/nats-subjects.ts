/**
 * Subjects of blobs on JetStream. What is known of a blob is the last message on a subject that says its database, table and key; the key by its
 * segments, each in base64url, so that the subjects of a folder can be asked for. No token can be a wildcard, or empty.
 */
import type { Place } from './validation.js';

/** What is known of each blob, and the content of small ones: one message a key. */
export const infoStream = { name: 'MICRO_BLOBS', subject: 'micro.blob.info' } as const;
/** Content, in chunks. Those of one writing are on one subject. */
export const contentStream = { name: 'MICRO_BLOB_CONTENT', subject: 'micro.blob.content' } as const;
/** Content that belongs to no blob, or may not; who reads what may go. */
export const noteStream = { name: 'MICRO_BLOB_NOTES', subject: 'micro.blob.note' } as const;

export function infoSubject(place: Place, key: string): string {
  return `${tableOf(place)}.${key.split('/').map(tokenOf).join('.')}`;
}

/** Of all keys that begin with `prefix`, and of others. */
export function infoSubjects(place: Place, prefix: string): string {
  const folders = prefix.split('/').slice(0, -1);
  return [tableOf(place), ...folders.map(tokenOf), '>'].join('.');
}

export function keyOf(subject: string): string {
  const [, , , , , ...tokens] = subject.split('.');
  return tokens.map((token) => Buffer.from(token.slice(1), 'base64url').toString()).join('/');
}

export function contentSubject(id: string): string {
  return `${contentStream.subject}.${id}`;
}

/** That the content `id` may belong to no blob. */
export function looseSubject(id: string): string {
  return `${noteStream.subject}.loose.${id}`;
}

/** That somebody reads it; `reader` may be `*`. */
export function holdSubject(id: string, reader: string): string {
  return `${noteStream.subject}.hold.${id}.${reader}`;
}

/** What is written only to hear what time the server has. */
export const tickSubject = `${noteStream.subject}.tick`;

function tableOf({ database, table }: Place): string {
  return [infoStream.subject, database.replaceAll('.', '/'), table.replaceAll('.', '/')].join('.');
}

/** A segment may be empty. */
function tokenOf(segment: string): string {
  return `=${Buffer.from(segment).toString('base64url')}`;
}
