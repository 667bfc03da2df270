import { type Code, codeFromHttp, isCode, MicroError } from '@micro/errors';

/** Headers of a service's answer that are not its to give: HTTP's, the wire's, and the gateway's own. */
const withheld = new Set([
  'accept-post',
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'micro-error-id',
  'micro-not-processed',
  'micro-trace-id',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const trailerPrefix = 'trailer-';

/**
 * Appends a service's response metadata to the gateway's response headers. Trailers of a unary call become headers like any other: the
 * whole answer is known when they are written.
 */
export function pushMetadata(headers: string[], metadata: readonly string[]): void {
  for (let index = 0; index + 1 < metadata.length; index += 2) {
    const given = metadata[index] as string;
    if (withheld.has(given)) continue;
    const name = given.startsWith(trailerPrefix) ? given.slice(trailerPrefix.length) : given;
    if (
      name === '' ||
      withheld.has(name) ||
      name.startsWith('access-control-') ||
      name.startsWith('connect-') ||
      name.startsWith('grpc-')
    )
      continue;
    headers.push(name, metadata[index + 1] as string);
  }
}

/** A failed Connect answer (connectrpc.com/docs/protocol#error-end-stream). */
export interface FailedAnswer {
  readonly status: number;
  /** Flat, names in lower case. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** The error that a node answered, with its metadata; by its HTTP status where the body is none of Connect's. */
export function errorOf(answer: FailedAnswer, service: string): MicroError {
  const id = valueOf(answer.headers, 'micro-error-id');
  const { code, message } = connectError(answer.body);
  const known = code ?? codeFromHttp(answer.status);
  const status = answer.status >= 400 ? answer.status : undefined;
  const metadata = metadataOf(answer.headers);
  // `micro` is what an error is called that nobody gave a name: a service of ours always gives its own.
  const ours = id !== undefined && id !== 'micro';
  if (!ours && mayLeak(known)) {
    return new MicroError(known, 'internal error', {
      id: service,
      status,
      metadata,
      cause: new Error(message ?? `HTTP ${answer.status}`),
    });
  }
  const detail = message ?? `${service} answered ${answer.status} without saying why`;
  return new MicroError(known, detail, { id: ours ? decoded(id) : service, status, metadata });
}

/** What a service says beside its error, `retry-after` say. Its body is read here and written anew, so that the encoding does not go on. */
function metadataOf(headers: readonly string[]): Record<string, string[]> {
  const metadata = Object.create(null) as Record<string, string[]>;
  const passed: string[] = [];
  pushMetadata(passed, headers);
  for (let index = 0; index < passed.length; index += 2) {
    const name = passed[index] as string;
    if (name !== 'content-encoding') (metadata[name] ??= []).push(passed[index + 1] as string);
  }
  return metadata;
}

/** Codes whose text was made from an exception nobody meant to show, in the servers of other makes. */
function mayLeak(code: Code): boolean {
  return code === 'internal' || code === 'unknown' || code === 'data_loss';
}

function connectError(body: Buffer): { readonly code?: Code; readonly message?: string } {
  if (body.length === 0 || body.length > 1_000_000) return {};
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { code?: unknown; message?: unknown } | null;
    return {
      code: isCode(parsed?.code) ? parsed.code : undefined,
      message: typeof parsed?.message === 'string' && parsed.message !== '' ? parsed.message : undefined,
    };
  } catch {
    return {};
  }
}

/** Ids that no header can carry travel percent-encoded. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

export function valueOf(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < headers.length; index += 2) if (headers[index] === name) return headers[index + 1];
  return undefined;
}
