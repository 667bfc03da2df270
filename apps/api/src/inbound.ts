import type { IncomingMessage } from 'node:http';
import type { PlainRequest } from '@micro/rpc';

/** What the gateway needs to know of a request's headers, and what goes on to the service as metadata. */
export interface Inbound {
  readonly contentType: string;
  readonly contentEncoding: string;
  /** -1 if the request does not say. */
  readonly contentLength: number;
  readonly host: string;
  /** Whether it is given more than once, so that two who read it may mean two hosts. */
  readonly manyHosts: boolean;
  readonly origin: string;
  readonly accept: string;
  readonly namespace: string;
  /** `Connect-Timeout-Ms`, in milliseconds, and `Timeout`, in seconds or with a unit. */
  readonly connectTimeout: string;
  readonly timeout: string;
  readonly traceparent: string | undefined;
  /** `100-continue` if the caller wants to be asked for the body. */
  readonly expect: string;
  /** Flat: name, value, name, value …, names in lower case. */
  readonly metadata: string[];
}

type Field = Exclude<keyof Inbound, 'metadata' | 'manyHosts'>;

/** Headers that mean something here: read, and not passed on. */
const fields: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['content-length', 'contentLength'],
  ['host', 'host'],
  ['accept', 'accept'],
  ['micro-namespace', 'namespace'],
  ['connect-timeout-ms', 'connectTimeout'],
  ['timeout', 'timeout'],
  ['traceparent', 'traceparent'],
  ['expect', 'expect'],
]);

/** Headers of one hop, of the browser's part of the protocol, and those that only the platform itself may send. */
const dropped = new Set([
  'accept-charset',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'connect-accept-encoding',
  'connect-content-encoding',
  'connect-protocol-version',
  'connection',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-timeout',
  'http2-settings',
  'keep-alive',
  'micro-error-id',
  'micro-from-service',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

/** Reads all headers in one pass. */
export function readInbound(request: IncomingMessage | PlainRequest): Inbound {
  const inbound = {
    contentType: '',
    contentEncoding: '',
    contentLength: -1,
    host: '',
    manyHosts: false,
    origin: '',
    accept: '',
    namespace: '',
    connectTimeout: '',
    timeout: '',
    expect: '',
    traceparent: undefined as string | undefined,
    metadata: [] as string[],
  };
  const raw = request.rawHeaders;
  let forwardedFor = '';
  let connection: string | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    const value = raw[index + 1] as string;
    const field = fields.get(name);
    if (field === 'contentLength') inbound.contentLength = Number(value);
    else if (field === 'host') {
      inbound.manyHosts = inbound.host !== '';
      inbound.host = value;
    } else if (field !== undefined) inbound[field] = value;
    else if (name === 'connection') connection = value;
    else if (name === 'x-forwarded-for') forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`;
    else if (!dropped.has(name) && !name.startsWith(':')) {
      if (name === 'origin') inbound.origin = value;
      inbound.metadata.push(name, value);
    }
  }
  if (connection !== undefined && connection.length > 'keep-alive'.length)
    inbound.metadata = withoutNamed(inbound.metadata, connection);
  const peer = request.socket.remoteAddress ?? 'unknown';
  inbound.metadata.push('x-forwarded-for', forwardedFor === '' ? peer : `${forwardedFor}, ${peer}`);
  if (inbound.host !== '') inbound.metadata.push('x-forwarded-host', inbound.host);
  return inbound;
}

/** Without the headers that the connection header names as its own (RFC 9110, section 7.6.1). */
function withoutNamed(metadata: readonly string[], connection: string): string[] {
  const named = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  return metadata.filter((_, index) => !named.has(metadata[index - (index % 2)] as string));
}
