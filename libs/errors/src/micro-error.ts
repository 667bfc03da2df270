import { type Code, codeFromGrpc, codes, isCode } from './codes.js';

/** The JSON body of every error that leaves the platform. */
export interface ErrorBody {
  readonly id: string;
  readonly code: Code;
  readonly detail: string;
  readonly status: number;
}

export interface MicroErrorOptions {
  /** Who raised it: the name of a service, or of the part of the platform. Default `micro`. */
  readonly id?: string;
  /** HTTP status, where it is more precise than the code's own (413 for a body over the limit). */
  readonly status?: number;
  /** What caused it. Stays in this process: it is logged, never sent. */
  readonly cause?: unknown;
  /** Response metadata that came, or is to go, with the error. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** Typed details, as google.protobuf.Any: full message name and encoded bytes. */
  readonly details?: readonly ErrorDetail[];
}

/** One detail of an error: a message in its encoded form. */
export interface ErrorDetail {
  readonly type: string;
  readonly value: Uint8Array;
}

/**
 * The only error that crosses a process boundary.
 *
 * `detail` is read by people: it says what is wrong and, where there is something to be done, what to do next.
 */
export class MicroError extends Error implements ErrorBody {
  override readonly name = 'MicroError';
  readonly id: string;
  readonly code: Code;
  readonly status: number;
  readonly metadata: Readonly<Record<string, string | readonly string[]>>;
  readonly details: readonly ErrorDetail[];

  constructor(code: Code, detail: string, options: MicroErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.id = options.id ?? 'micro';
    this.code = code;
    this.status = options.status ?? codes[code].http;
    this.metadata = options.metadata ?? {};
    this.details = options.details ?? [];
  }

  /**
   * Any thrown value as a MicroError. A MicroError is returned as it is; aborts and timeouts, Node's system errors, grpc-js status
   * errors and bodies shaped like one keep their meaning; anything else is `internal`, with the original as its cause and a message
   * that tells the outside nothing.
   */
  static from(value: unknown, id?: string): MicroError {
    if (value instanceof MicroError) return value;
    if (isErrorBody(value)) return new MicroError(value.code, value.detail, { id: value.id, status: value.status });
    if (value instanceof Error) return fromError(value, id);
    return new MicroError('internal', 'internal error', { id, cause: value });
  }

  get detail(): string {
    return this.message;
  }

  get grpcStatus(): number {
    return codes[this.code].grpc;
  }

  toJSON(): ErrorBody {
    return { id: this.id, code: this.code, detail: this.detail, status: this.status };
  }
}

/** Whether a value has the shape of an error's JSON body. */
export function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null) return false;
  const { id, code, detail, status } = value as Record<string, unknown>;
  return typeof id === 'string' && isCode(code) && typeof detail === 'string' && typeof status === 'number';
}

function fromError(error: Error & { code?: unknown; details?: unknown }, id: string | undefined): MicroError {
  const options = { id, cause: error };
  if (error.name === 'AbortError') return new MicroError('canceled', 'the call was canceled', options);
  if (error.name === 'TimeoutError') return new MicroError('deadline_exceeded', 'the deadline passed', options);
  if (typeof error.code === 'string') {
    const known = systemErrors[error.code];
    if (known) return new MicroError(known.code, known.detail, options);
  }
  if (typeof error.code === 'number' && typeof error.details === 'string') {
    return new MicroError(codeFromGrpc(error.code), error.details, options);
  }
  return new MicroError('internal', 'internal error', options);
}

const unreachable = { code: 'unavailable', detail: 'the service cannot be reached' } as const;
const lost = { code: 'unavailable', detail: 'the connection was lost' } as const;

/** Codes of Node that mean something to a caller; every other system error is internal. */
const systemErrors: Readonly<Record<string, { code: Code; detail: string }>> = {
  ECONNREFUSED: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ENOTFOUND: unreachable,
  ECONNRESET: lost,
  EPIPE: lost,
  ETIMEDOUT: { code: 'deadline_exceeded', detail: 'the service did not answer in time' },
  ENOSPC: { code: 'resource_exhausted', detail: 'the disk is full: free some space and try again' },
  EMFILE: { code: 'resource_exhausted', detail: 'too many open files' },
};
