import { type Code, MicroError } from '@micro/errors';

/** What `micro` tells the shell. Scripts depend on the numbers. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  unauthorized: 2,
  malformedMethod: 3,
  /** No such service, or no server to ask. */
  unreachable: 4,
  methodNotFound: 5,
  /** Any other error that a service answered. */
  serviceError: 127,
} as const;

/** What stops a command: one line for people that says what is wrong and what to do next, and the exit code. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;

  constructor(detail: string, options: { readonly exitCode?: number; readonly cause?: unknown } = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}

/** Whose answer an error is, so that it can be told from the same code raised on the way. */
export interface CallOrigin {
  /** Name of the service that was called. */
  readonly service: string;
  /** `host:port` of what was asked, and how people know it: `environment local`. */
  readonly address: string;
  readonly environment: string;
}

const byCode: Partial<Record<Code, number>> = {
  canceled: exitCodes.failed,
  deadline_exceeded: exitCodes.failed,
  permission_denied: exitCodes.unauthorized,
  unauthenticated: exitCodes.unauthorized,
  unimplemented: exitCodes.methodNotFound,
};

/** A call's error as a Failure. Errors of the way there (no server, no such service) and of the service itself exit differently. */
export function failureOfCall(error: unknown, origin: CallOrigin): Failure {
  if (error instanceof Failure) return error;
  const cause = MicroError.from(error);
  if (serverIsAway(cause)) return unreachable(origin, cause);
  const fromService = cause.id === origin.service;
  const missing = !fromService && (cause.code === 'not_found' || cause.code === 'unavailable');
  const exitCode = missing ? exitCodes.unreachable : (byCode[cause.code] ?? exitCodes.serviceError);
  const source = fromService ? ` (${cause.code} from ${cause.id})` : ` (${cause.code})`;
  return new Failure(`${cause.detail}${missing ? '' : source}`, { exitCode, cause });
}

/** The failure of having nobody to talk to. */
export function unreachable(origin: Pick<CallOrigin, 'address' | 'environment'>, cause?: unknown): Failure {
  return new Failure(
    `cannot reach the server at ${origin.address} (${origin.environment}): start it with \`micro server\`, or choose another with --env or --proxy-address`,
    { exitCode: exitCodes.unreachable, cause },
  );
}

/** Any thrown value as a Failure. What nobody foresaw keeps its message: on a command line there is nobody to hide it from. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof MicroError) {
    return new Failure(error.detail, { exitCode: byCode[error.code] ?? exitCodes.failed, cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(message.split('\n')[0] ?? message, { cause: error });
}

const connectionErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Whether the first hop failed: the cause of the error, or one of its causes, is a socket that did not open. */
function serverIsAway(error: MicroError): boolean {
  if (error.code !== 'unavailable') return false;
  for (let cause: unknown = error.cause, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && connectionErrors.has(code)) return true;
    if (
      cause instanceof AggregateError &&
      cause.errors.some((one: { code?: string }) => connectionErrors.has(one.code ?? ''))
    )
      return true;
  }
  return false;
}
