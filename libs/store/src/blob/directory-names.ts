/**
 * Names of files for any key, table and database: only small ASCII letters, digits and `.@_%~-`, so that they mean the same on every file
 * system, with or without case; readable where the key is. Those that would be too long end with a hash.
 */
import { createHash } from 'node:crypto';

const ending = '.blob';
/** Characters of what stands for the key. With `@`, `~`, a hash and the ending it is below the 255 that file systems take. */
const longest = 180;

/** What the name of a file says of its key. Bytes are texts of one character a byte, which compare as the bytes do. */
export interface Named {
  readonly file: string;
  readonly bytes: string;
  /** Whether the key has more bytes than these. */
  readonly cut: boolean;
}

export function fileOf(key: string): string {
  return `${nameOf(key)}${ending}`;
}

/** Of a database or a table. Begins with `@`: `.` and `..` are names of tables, too. */
export function nameOf(text: string): string {
  const parts = [...Buffer.from(text)].map(escaped);
  if (parts.reduce((length, part) => length + part.length, 0) <= longest) return `@${parts.join('')}`;
  let head = '';
  for (const part of parts) {
    if (head.length + part.length > longest) break;
    head += part;
  }
  return `@${head}~${createHash('sha256').update(text).digest('hex')}`;
}

/** Undefined for a file that is none of ours. */
export function named(file: string): Named | undefined {
  const [, escapes, hash] = /^@((?:[a-z0-9._-]|%[0-9a-f]{2})*)(~[0-9a-f]{64})?\.blob$/.exec(file) ?? [];
  if (escapes === undefined) return undefined;
  const bytes = escapes.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { file, bytes, cut: hash !== undefined };
}

export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function escaped(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[a-z0-9._-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
}
