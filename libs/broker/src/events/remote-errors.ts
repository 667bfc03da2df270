import { MicroError } from '@micro/errors';

/** Codes that asking again does not change. */
const final: ReadonlySet<string> = new Set([
  'invalid_argument',
  'permission_denied',
  'unauthenticated',
  'unimplemented',
  'data_loss',
  'failed_precondition',
]);

/** Waits between two attempts to come back, in milliseconds. */
const retry = { first: 100, most: 2_000 } as const;

export function isFinal(error: unknown): boolean {
  return final.has(MicroError.from(error).code);
}

/** Milliseconds to wait after so many failures, of which the first is 0. */
export function retryWait(failures: number): number {
  return Math.min(retry.first * 2 ** failures, retry.most) * (0.75 + Math.random() / 2);
}

/** What the client throws, in the words of the contract. */
export function explained(error: unknown): MicroError {
  const known = MicroError.from(error, 'broker');
  if (known.code !== 'not_found' && known.code !== 'deadline_exceeded') return known;
  return new MicroError('unavailable', `the events cannot be reached: ${known.detail}`, { id: 'broker', cause: error });
}

export function silent(ms: number): MicroError {
  return new MicroError('unavailable', `the events did not answer within ${ms} ms`, { id: 'broker' });
}
