import { MicroError } from '@micro/errors';

export interface TimeoutHeaders {
  /** `Connect-Timeout-Ms`: milliseconds, at most ten digits. */
  readonly connectTimeout: string;
  /** `Timeout`: seconds, or a number with the unit ms, s or m. */
  readonly timeout: string;
}

export interface TimeoutLimits {
  /** Milliseconds, where the caller does not say. */
  readonly timeout: number;
  readonly longestTimeout: number;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** Milliseconds that a call may take, never more than the longest. MicroError `invalid_argument` for a header that cannot be read. */
export function timeoutOf(
  { connectTimeout, timeout }: TimeoutHeaders,
  { timeout: standard, longestTimeout: longest }: TimeoutLimits,
): number {
  if (connectTimeout === '' && timeout === '') return standard;
  if (connectTimeout !== '') {
    if (!/^\d{1,10}$/.test(connectTimeout))
      throw wrong('Connect-Timeout-Ms', connectTimeout, 'milliseconds, such as 2500');
    return Math.min(Number(connectTimeout), longest);
  }
  const [, number = '', unit = 's'] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m)?$/.exec(timeout) ?? [];
  if (number === '') throw wrong('Timeout', timeout, 'seconds, such as 10, or 500ms, 2s, 1m');
  return Math.min(Math.ceil(Number(number) * (units[unit] as number)), longest);
}

function wrong(header: string, value: string, legal: string): MicroError {
  return new MicroError(
    'invalid_argument',
    `header ${header}: ${JSON.stringify(value.slice(0, 40))} is not a time; give ${legal}`,
  );
}
