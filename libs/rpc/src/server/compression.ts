import { brotliCompress, brotliDecompress, constants, gunzip, gzip, inflate } from 'node:zlib';
import { MicroError } from '@micro/errors';

/** Encodings that requests may come in. */
export const encodings = ['gzip', 'br', 'deflate', 'identity'] as const;

/** Below this, compressing costs more than it saves. */
export const compressFrom = 1024;

type Done = (error: MicroError | undefined, bytes: Buffer) => void;
const nothing = Buffer.alloc(0);

/** Whether a content encoding is one of `encodings`. */
export function isEncoding(name: string): boolean {
  return (encodings as readonly string[]).includes(name);
}

/** The encoding for an answer, or undefined for none: gzip before br, because it is several times as fast. */
export function negotiate(acceptEncoding: string): 'gzip' | 'br' | undefined {
  let br = false;
  for (const item of acceptEncoding.split(',')) {
    const [name, quality] = item
      .trim()
      .toLowerCase()
      .split(/\s*;\s*q=/);
    if (quality !== undefined && !(Number(quality) > 0)) continue;
    if (name === 'gzip') return 'gzip';
    if (name === 'br') br = true;
  }
  return br ? 'br' : undefined;
}

export function compress(bytes: Uint8Array, encoding: 'gzip' | 'br', done: Done): void {
  const finish = (error: Error | null, result: Buffer) => done(error ? MicroError.from(error) : undefined, result);
  if (encoding === 'gzip') gzip(bytes, { level: 6 }, finish);
  else brotliCompress(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }, finish);
}

/** Undoes `encoding`. `resource_exhausted` past the limit, without having made more than that; `invalid_argument` for what is not that encoding. */
export function decompress(
  bytes: Uint8Array,
  encoding: string,
  limit: { readonly bytes: number; readonly exceeded: () => MicroError },
  done: Done,
): void {
  const finish = (error: (Error & { code?: string }) | null, result: Buffer) => {
    if (!error) return done(undefined, result);
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return done(limit.exceeded(), nothing);
    done(new MicroError('invalid_argument', `the message is not valid ${encoding}`, { cause: error }), nothing);
  };
  const options = { maxOutputLength: Math.max(1, limit.bytes) };
  if (encoding === 'gzip') gunzip(bytes, options, finish);
  else if (encoding === 'br') brotliDecompress(bytes, options, finish);
  else inflate(bytes, options, finish);
}
