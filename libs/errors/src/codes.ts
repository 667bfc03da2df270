/**
 * The closed table of error codes: the names of the Connect protocol (connectrpc.com/docs/protocol#error-codes), their numbers in
 * gRPC (grpc.io/docs/guides/status-codes) and the HTTP status that the gateway and the Connect lane answer with.
 */
export const codes = {
  canceled: { grpc: 1, http: 499 },
  unknown: { grpc: 2, http: 500 },
  invalid_argument: { grpc: 3, http: 400 },
  deadline_exceeded: { grpc: 4, http: 504 },
  not_found: { grpc: 5, http: 404 },
  already_exists: { grpc: 6, http: 409 },
  permission_denied: { grpc: 7, http: 403 },
  resource_exhausted: { grpc: 8, http: 429 },
  failed_precondition: { grpc: 9, http: 400 },
  aborted: { grpc: 10, http: 409 },
  out_of_range: { grpc: 11, http: 400 },
  unimplemented: { grpc: 12, http: 501 },
  internal: { grpc: 13, http: 500 },
  unavailable: { grpc: 14, http: 503 },
  data_loss: { grpc: 15, http: 500 },
  unauthenticated: { grpc: 16, http: 401 },
} as const satisfies Record<string, { grpc: number; http: number }>;

/** One of the sixteen codes that an error can have. */
export type Code = keyof typeof codes;

const names = Object.keys(codes) as Code[];
const byGrpc = new Map<number, Code>(names.map((name) => [codes[name].grpc, name]));

/** Statuses whose code is not the first of the table with that status, or that the table does not produce. */
const byHttp: Readonly<Record<number, Code>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  408: 'deadline_exceeded',
  409: 'already_exists',
  412: 'failed_precondition',
  413: 'resource_exhausted',
  415: 'invalid_argument',
  429: 'resource_exhausted',
  431: 'resource_exhausted',
  499: 'canceled',
  501: 'unimplemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** Whether a word is one of the codes. */
export function isCode(word: unknown): word is Code {
  return typeof word === 'string' && Object.hasOwn(codes, word);
}

/** The code of a gRPC status number; `unknown` for any number that gRPC does not define. Status 0 (OK) is no error and has none. */
export function codeFromGrpc(status: number): Code {
  return byGrpc.get(status) ?? 'unknown';
}

/** The code that stands for an HTTP status, for answers that carry no code of their own. */
export function codeFromHttp(status: number): Code {
  return byHttp[status] ?? (status >= 500 ? 'internal' : status >= 400 ? 'invalid_argument' : 'unknown');
}
