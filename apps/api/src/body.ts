import type { IncomingMessage } from 'node:http';
import { MicroError } from '@micro/errors';

const nothing = Buffer.alloc(0);

/** Reads a request's body of at most `limit` bytes. Calls back once, or never if the caller goes away before the end. */
export function readBody(request: IncomingMessage, limit: number, done: (body: Buffer | MicroError) => void): void {
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

export function tooLarge(limit: number): MicroError {
  return new MicroError('resource_exhausted', `the body is larger than ${limit} bytes, the limit of this gateway (MICRO_API_BODY_LIMIT)`, { id: 'api', status: 413 });
}
