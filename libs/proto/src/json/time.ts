import { describe, Invalid } from '../invalid.js';
import { toInt64 } from '../scalars.js';

interface SecondsAndNanos {
  readonly seconds?: bigint;
  readonly nanos?: number;
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
const earliest = -62_135_596_800n;
const latest = 253_402_300_799n;
const longest = 315_576_000_000n;
const billion = 1_000_000_000;

/** RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second. */
export function timestampToJson({ seconds: given = 0n, nanos = 0 }: SecondsAndNanos): string {
  const seconds = toInt64(given, 'seconds');
  if (seconds < earliest || seconds > latest) throw new Invalid('a timestamp is from year 1 to year 9999', 'seconds');
  if (!(nanos >= 0 && nanos < billion)) throw new Invalid('nanos of a timestamp are from 0 to 999999999', 'nanos');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}

const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

export function timestampFromJson(json: unknown): object {
  const match = typeof json === 'string' ? rfc3339.exec(json) : null;
  const [, local = '', digits = '', sign, hours = '0', minutes = '0'] = match ?? [];
  const date = new Date(`${local}Z`);
  // Date rolls the 30th of February over; a timestamp does not.
  if (
    !match ||
    Number.isNaN(date.getTime()) ||
    date.toISOString().slice(0, 19) !== local ||
    Number(hours) > 23 ||
    Number(minutes) > 59
  ) {
    throw new Invalid(`expected a time such as 2026-01-31T12:00:00Z, not ${describe(json)}`);
  }
  const offset = (Number(hours) * 60 + Number(minutes)) * 60 * (sign === '-' ? -1 : 1);
  const seconds = BigInt(date.getTime() / 1000 - offset);
  if (seconds < earliest || seconds > latest)
    throw new Invalid(`expected a time from year 1 to year 9999, not ${describe(json)}`);
  return { seconds, nanos: Number(digits.padEnd(9, '0')) };
}

/** Seconds with 0, 3, 6 or 9 digits and the letter s. */
export function durationToJson({ seconds: given = 0n, nanos = 0 }: SecondsAndNanos): string {
  const seconds = toInt64(given, 'seconds');
  if (seconds > longest || seconds < -longest) throw new Invalid('a duration is at most 10000 years', 'seconds');
  if (!(Math.abs(nanos) < billion)) throw new Invalid('nanos of a duration are from -999999999 to 999999999', 'nanos');
  if ((seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0))
    throw new Invalid('nanos have the sign of the seconds', 'nanos');
  const negative = seconds < 0n || nanos < 0;
  return `${negative ? '-' : ''}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
}

export function durationFromJson(json: unknown): object {
  const match = typeof json === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (!match) throw new Invalid(`expected seconds such as 1.5s, not ${describe(json)}`);
  const [, sign, whole = '', digits = ''] = match;
  const seconds = BigInt(whole),
    nanos = Number(digits.padEnd(9, '0'));
  if (seconds > longest) throw new Invalid(`expected at most 10000 years, not ${describe(json)}`);
  return sign ? { seconds: -seconds, nanos: 0 - nanos } : { seconds, nanos };
}

function fraction(nanos: number): string {
  if (nanos === 0) return '';
  return `.${String(nanos)
    .padStart(9, '0')
    .replace(/(?:000){1,2}$/, '')}`;
}
