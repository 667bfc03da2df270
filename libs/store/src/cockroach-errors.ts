import { type Code, MicroError } from '@micro/errors';

/** Whether a transaction has been rolled back because of others at the same time: it may succeed if it is made again. */
export function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error));
}

/** Whether a statement failed with its connection: whether it was made is not known. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error);
  return (
    /^(25P03|57P0[123]|08\w{3}|ECONN(REFUSED|RESET|ABORTED)|EPIPE|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/.test(code) ||
    (code === '' && /^Connection terminated|connection error and is not queryable|^write after end/.test(text(error)))
  );
}

/** Whether the connection that it came over is of no further use. */
export function isBroken(error: unknown): boolean {
  if (error instanceof MicroError) return false;
  // What the server says of a statement alone has a code of SQL, and the connection goes on.
  return !/^[0-9A-Z]{5}$/.test(codeOf(error)) || isLost(error);
}

/** What the pool says where no connection was free in time. */
export const crowdedMessage = 'timeout exceeded when trying to connect';

export function isCrowded(error: unknown): boolean {
  return text(error) === crowdedMessage;
}

export function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  if (typeof code === 'string') return code;
  // As TypeORM wraps them.
  const driverError = (error as { readonly driverError?: unknown } | undefined)?.driverError;
  return driverError ? codeOf(driverError) : '';
}

const meanings: readonly (readonly [RegExp, Code, string])[] = [
  [
    /^57014$/,
    'deadline_exceeded',
    'took too long over a statement: ask for less at once, or raise MICRO_COCKROACH_TIMEOUT',
  ],
  [/^53100$/, 'resource_exhausted', 'has no room left on its disk: make room, and try again'],
  [/^53300$/, 'resource_exhausted', 'takes no more connections: lower MICRO_COCKROACH_POOL, or let it take more'],
  [/^53/, 'resource_exhausted', 'is short of memory or other resources: look after it, and try again'],
  [
    /^28/,
    'failed_precondition',
    'lets nobody in by this name: check user and password in MICRO_COCKROACH_URL, or MICRO_COCKROACH_CERT and _KEY',
  ],
  [/^3D000$/, 'failed_precondition', 'has no such database: create it, or name another in MICRO_COCKROACH_URL'],
  [/^42501$/, 'failed_precondition', 'refuses the user this: grant it CREATE on the database, and all on its tables'],
  [
    /^(42P01|42703)$/,
    'failed_precondition',
    'has other tables than this version of Micro needs: start it again, or restore a backup of them',
  ],
  [/^25006$/, 'unavailable', 'is a copy that takes no writes: name the one that does in MICRO_COCKROACH_URL'],
  [/^XX00[12]$/, 'data_loss', 'found its own files damaged: restore a backup of it'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'unavailable', 'is not known by that name: check the host in MICRO_COCKROACH_URL'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/,
    'failed_precondition',
    'shows a certificate that is not trusted: check MICRO_COCKROACH_CA, and the host in MICRO_COCKROACH_URL',
  ],
  [
    /^ERR_(SSL|OSSL|TLS)/,
    'failed_precondition',
    'cannot be spoken to with these certificates: check that MICRO_COCKROACH_CA, MICRO_COCKROACH_CERT and MICRO_COCKROACH_KEY are PEM, belong together and are known to it',
  ],
];

/** Of errors that have no code. */
const wordings: readonly (readonly [RegExp, Code, string])[] = [
  [
    /does not support SSL/,
    'failed_precondition',
    'speaks no TLS: add ?sslmode=disable to MICRO_COCKROACH_URL if that is meant to be',
  ],
  [/password must be|SASL/, 'failed_precondition', 'wants a password, or another: check MICRO_COCKROACH_URL'],
  [
    new RegExp(`^${crowdedMessage}$`),
    'resource_exhausted',
    'is asked by more calls than there are connections: raise MICRO_COCKROACH_POOL, or ask less at once',
  ],
  [/timeout/i, 'unavailable', 'does not answer: check that it runs and can be reached'],
];

/** What CockroachDB, its client and the network say, as the contract has it. The address is that of the server. */
export function translated(error: unknown, address: string): MicroError {
  if (error instanceof MicroError) return error;
  const code = codeOf(error);
  const of = (kind: Code, detail: string) =>
    new MicroError(kind, `CockroachDB at ${address} ${detail}`, { id: 'store', cause: error });
  const known =
    meanings.find(([codes]) => codes.test(code)) ??
    (code === '' ? wordings.find(([words]) => words.test(text(error))) : undefined);
  if (known) return of(known[1], known[2]);
  if (isConflict(error))
    return of('aborted', 'found the same records changed by too many others: nothing was changed, try again');
  if (code === '40003' || isLost(error) || /^(58|57)/.test(code) || /^E[A-Z]+$/.test(code))
    return of(
      'unavailable',
      'cannot be reached, or was lost: check that it runs, and MICRO_COCKROACH_URL; it is tried again by itself',
    );
  return MicroError.from(error, 'store');
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : '';
}
