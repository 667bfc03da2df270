import { isUtf8 } from 'node:buffer';
import { type JsonValue, parseJson } from '@micro/proto';

/** Bytes for people: text as it is; anything else by its size. */
export function contentText(bytes: Uint8Array): string {
  if (isText(bytes)) return Buffer.from(bytes).toString('utf8');
  return `(${bytes.length} bytes that are no text; -o raw gives them as they are)`;
}

/** A key, or whatever else may hold any character, in one line that does nothing to a terminal: a line end as `\n`, escape as `\u001b`. */
export function plainText(text: string): string {
  return text.replaceAll(unseen, (character) => {
    const short = JSON.stringify(character).slice(1, -1);
    return short === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : short;
  });
}

/** Control characters, other ends of lines, and what turns the direction of writing. */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Whether a terminal would show it as it is. */
export function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && !bytes.some(isControl);
}

/** The same of a piece of something longer, which may end within a character. */
export function isTextSoFar(piece: Uint8Array): boolean {
  return [0, 1, 2, 3].some((cut) => cut < piece.length && isText(piece.subarray(0, piece.length - cut)));
}

/** Bytes as data: what is JSON as its value, its integers exact (jsonText writes them so); other text as a string, anything else as `{"base64": …}`. */
export function contentData(bytes: Uint8Array): JsonValue {
  if (!isUtf8(bytes)) return { base64: Buffer.from(bytes).toString('base64') };
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 MiB`. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** `2026-01-31 12:00:00`, in the time zone of whoever looks. */
export function timeOf(ms: number): string {
  const date = new Date(ms);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Tabs and line ends are text; the rest of the control characters, U+0080 to U+009F among them, would do things to a terminal. */
function isControl(byte: number, index: number, bytes: Uint8Array): boolean {
  if (byte < 0x20) return byte !== 0x09 && byte !== 0x0a && byte !== 0x0d;
  return byte === 0x7f || (byte < 0xa0 && bytes[index - 1] === 0xc2);
}
