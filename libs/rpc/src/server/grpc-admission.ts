import type { IncomingHttpHeaders } from 'node:http2';
import { MicroError } from '@micro/errors';
import type { BoundMethod, CallRuntime } from './call.js';
import { encodings, isEncoding } from './compression.js';

/** What is looked at before a gRPC call is one (gRPC over HTTP/2, "Requests"). */

/** What requests may be compressed with. */
export const acceptedEncodings = { 'grpc-accept-encoding': encodings.join(',') };

export function isGrpc(contentType: string | undefined): boolean {
  return /^application\/grpc(\+proto)?(;|$)/.test(contentType ?? '');
}

/** The error of a path that nobody serves. */
export function unimplemented(path: string, bound: BoundMethod | undefined, { name }: CallRuntime): MicroError {
  const detail = bound ? `${path} is not implemented by ${name}` : `${name} has no method ${path.slice(0, 200)}`;
  return new MicroError('unimplemented', detail, { id: name });
}

/** Why a call cannot be taken, whatever its method; undefined if it can. */
export function problemOf(headers: IncomingHttpHeaders, runtime: CallRuntime): MicroError | undefined {
  // The peer learns the limit from our SETTINGS; what it sends before it has read them is checked here.
  if (sizeOf(headers) > runtime.limits.headerBytes) {
    return new MicroError(
      'resource_exhausted',
      `the headers are larger than ${runtime.limits.headerBytes} bytes, the limit of ${runtime.name}`,
      { id: runtime.name },
    );
  }
  const encoding = headers['grpc-encoding'];
  if (encoding !== undefined && !isEncoding(String(encoding))) {
    return new MicroError(
      'unimplemented',
      `compression ${JSON.stringify(String(encoding).slice(0, 100))} is not supported: use ${encodings.join(', ')}`,
    );
  }
  return undefined;
}

/** Size of a header list (RFC 9113, section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE). */
function sizeOf(headers: IncomingHttpHeaders): number {
  let size = 0;
  for (const name in headers) size += name.length + (headers[name]?.length ?? 0) + 32;
  return size;
}
