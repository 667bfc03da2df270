import type { IncomingMessage } from 'node:http';
import { MicroError } from '@micro/errors';
import { decompress, encodings, PlainRequest } from '@micro/rpc';
import { shown } from './path.js';

const nothing = Buffer.alloc(0);

/** Reads a request's body of at most `limit` bytes. Calls back once, or never if the caller goes away before the end. */
export function readBody(
  request: IncomingMessage | PlainRequest,
  limit: number,
  done: (body: Buffer | MicroError) => void,
): void {
  if (request instanceof PlainRequest) return done(request.body.length > limit ? tooLarge(limit) : request.body);
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  let size = 0;
  let over = false;
  request.on('data', (chunk: Buffer) => {
    if (over) return;
    size += chunk.length;
    if (size > limit) {
      over = true;
      done(tooLarge(limit));
    } else if (!first) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on('end', () => {
    if (!over) done(more ? Buffer.concat(more, size) : (first ?? nothing));
  });
}

/** A body as it was before `content-encoding`. Rejects with MicroError: 415 for one that nobody here knows, 413 for more than `limit` bytes. */
export function decompressed(body: Buffer, contentEncoding: string, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const encoding = encodings.find((one) => one === contentEncoding.trim().toLowerCase());
    if (encoding === undefined) {
      const detail = `content encoding "${shown(contentEncoding)}" is not accepted: send ${encodings.join(', ')}`;
      throw new MicroError('invalid_argument', detail, {
        id: 'api',
        status: 415,
        metadata: { 'accept-encoding': encodings.join(', ') },
      });
    }
    if (encoding === 'identity') return resolve(body);
    decompress(body, encoding, { bytes: limit, exceeded: () => tooLarge(limit) }, (error, plain) =>
      error ? reject(error) : resolve(plain),
    );
  });
}

export function tooLarge(limit: number): MicroError {
  return new MicroError(
    'resource_exhausted',
    `the body is larger than ${limit} bytes, the limit of this gateway (MICRO_API_BODY_LIMIT)`,
    { id: 'api', status: 413 },
  );
}
