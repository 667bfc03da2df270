import type { IncomingMessage } from 'node:http';
import { PlainRequest } from '@micro/rpc';

/** Seconds that a browser may remember a preflight's answer: two hours is the most that Chromium takes. */
const maxAge = '7200';
const methods = 'GET, POST, PUT, PATCH, DELETE, OPTIONS';

/** Appends what lets a page of this origin read the answer, with credentials (fetch.spec.whatwg.org, section 3.2). */
export function pushCors(headers: string[], origin: string): void {
  headers.push(
    'access-control-allow-origin',
    origin,
    'access-control-allow-credentials',
    'true',
    'access-control-expose-headers',
    'Micro-Trace-Id',
    'vary',
    'Origin',
  );
}

/** What a preflight's answer has beside these headers; undefined if the request is none. */
export function preflight(request: IncomingMessage | PlainRequest, origin: string): string[] | undefined {
  // OPTIONS is never plain.
  if (request instanceof PlainRequest) return undefined;
  const { method, headers } = request;
  if (method !== 'OPTIONS' || origin === '' || headers['access-control-request-method'] === undefined) return undefined;
  const answer = ['access-control-allow-methods', methods, 'access-control-max-age', maxAge];
  const asked = headers['access-control-request-headers'];
  if (asked !== undefined) answer.push('access-control-allow-headers', asked);
  return answer;
}
