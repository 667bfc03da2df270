import { MicroError } from '@micro/errors';
import { shown } from './path.js';

/** What a request's body is. */
export type Format = 'json' | 'form' | 'multipart' | 'proto';
/** What an answer is written in. */
export type Wanted = 'json' | 'proto';

const protoTypes = new Set([
  'application/proto',
  'application/protobuf',
  'application/x-protobuf',
  'application/vnd.google.protobuf',
]);

/**
 * What the body is, by its content type; where that says nothing, or is what curl and forms send by default, by its first character.
 * MicroError `invalid_argument` (415) for anything else.
 */
export function formatOf(contentType: string, body: Buffer): Format {
  if (contentType === 'application/json') return 'json';
  const [type = '', ...parameters] = contentType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (type === 'application/json' || /^application\/[\w.-]+\+json$/.test(type)) {
    checkCharset(parameters);
    return 'json';
  }
  if (protoTypes.has(type)) return 'proto';
  if (type === 'multipart/form-data') return 'multipart';
  if (body.length === 0) return 'json';
  if (type === '' || type === 'application/x-www-form-urlencoded' || type === 'text/plain') {
    checkCharset(parameters);
    if (looksLikeJson(body)) return 'json';
    if (type !== 'text/plain') return 'form';
  }
  throw new MicroError(
    'invalid_argument',
    `content type "${shown(type)}" is not accepted: send application/json, application/protobuf or a form`,
    { status: 415 },
  );
}

/** Protobuf where the caller asks for it and prefers nothing that comes before; else what it sent, where that is protobuf. */
export function wantedOf(accept: string, format: Format): Wanted {
  if (accept === '' || accept === '*/*') return format === 'proto' ? 'proto' : 'json';
  let best: { wanted: Wanted; quality: number } | undefined;
  for (const part of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    const quality = Number(/^q=([\d.]+)$/.exec(parameters.find((piece) => piece.startsWith('q=')) ?? '')?.[1] ?? 1);
    const wanted = protoTypes.has(type)
      ? 'proto'
      : type === 'application/json'
        ? 'json'
        : type === '*/*' || type === 'application/*'
          ? wantedOf('', format)
          : undefined;
    if (wanted && quality > 0 && (!best || quality > best.quality)) best = { wanted, quality };
  }
  return best?.wanted ?? 'json';
}

/** The content type of an answer in protobuf: the name that the caller used for it. */
export function protoTypeOf(accept: string, contentType: string): string {
  const named = `${accept},${contentType}`
    .toLowerCase()
    .split(/[,;]/)
    .map((part) => part.trim());
  return named.find((type) => protoTypes.has(type)) ?? 'application/proto';
}

function checkCharset(parameters: readonly string[]): void {
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replace(/"/g, '');
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return;
  throw new MicroError('invalid_argument', `charset "${shown(charset)}" is not accepted: send UTF-8`, { status: 415 });
}

/** Whether the first character that is not white space opens an object or a list. */
function looksLikeJson(body: Buffer): boolean {
  for (const byte of body) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    return byte === 0x7b || byte === 0x5b;
  }
  return false;
}
