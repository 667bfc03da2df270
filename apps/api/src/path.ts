import { MicroError } from '@micro/errors';

/** The longest request target that is looked at, in characters. */
export const maxUrlLength = 8192;
const maxSegments = 64;

/** A cleaned URL path: its segments decoded, none of them empty, `.` or `..`. */
export interface CleanPath {
  readonly segments: readonly string[];
  /**
   * The last segment cut at its last colon, as google.api.http's custom verbs are written (`shelves/1:archive`); undefined without one.
   * Cut before decoding, so that an encoded colon (`%3A`) is part of a name.
   */
  readonly verb?: { readonly stem: string; readonly name: string };
}

/**
 * Splits a request target's path. Each segment is percent-decoded on its own, so that `%2F` never becomes a separator; empty segments
 * and dots are cleaned away as a file system would, written plainly or encoded. MicroError `invalid_argument` (400) for escapes that are
 * broken or not UTF-8, for control characters, and for more segments than anything is called by.
 */
export function cleanPath(rawPath: string): CleanPath {
  const raw: string[] = [];
  const segments: string[] = [];
  for (const piece of utf8(rawPath).split('/')) {
    const segment = decoded(piece);
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      raw.pop();
      segments.pop();
      continue;
    }
    raw.push(piece);
    segments.push(segment);
  }
  if (segments.length > maxSegments) {
    throw new MicroError('invalid_argument', `the path has more than ${maxSegments} segments`);
  }
  const last = raw.at(-1);
  const colon = last?.lastIndexOf(':') ?? -1;
  if (last === undefined || colon < 1) return { segments };
  return { segments, verb: { stem: decoded(last.slice(0, colon)), name: decoded(last.slice(colon + 1)) } };
}

/** Node reads a request line as Latin-1: what has bytes above ASCII in it was meant as UTF-8. */
function utf8(rawPath: string): string {
  if (!/[\x80-\xff]/.test(rawPath)) return rawPath;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(rawPath, 'latin1'));
  } catch {
    throw new MicroError('invalid_argument', 'the path is not UTF-8');
  }
}

function decoded(piece: string): string {
  let segment = piece;
  if (piece.includes('%')) {
    try {
      segment = decodeURIComponent(piece);
    } catch {
      throw new MicroError('invalid_argument', `the path has a broken percent-encoding in "${shown(piece)}"`);
    }
  }
  if (/[\x00-\x1f\x7f]/.test(segment))
    throw new MicroError('invalid_argument', `the path has a control character in "${shown(piece)}"`);
  return segment;
}

/** A caller's text as an error may repeat it: short, and without control characters. */
export function shown(text: string): string {
  const plain = text.replace(/[\x00-\x1f\x7f]/g, '�');
  return plain.length > 80 ? `${plain.slice(0, 77)}…` : plain;
}
