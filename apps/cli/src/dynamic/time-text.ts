import { Failure } from '../failure.js';

/** A time as canonical JSON has it: RFC 3339. Accepts that, a date alone, and `now`. */
export function timeText(text: string, flag: string): string {
  if (text === 'now') return new Date().toISOString();
  const time = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/i.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(time))
    throw new Failure(`${flag} must be a time like 2026-01-31T12:00:00Z, a date, or now, not ${JSON.stringify(text)}`);
  // The text itself keeps nanoseconds, which a Date would cut.
  return /T.*(?:Z|[+-]\d\d:\d\d)$/.test(text) && /:\d\d:\d\d/.test(text) ? text : new Date(time).toISOString();
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};

/** A duration as canonical JSON has it: seconds with `s`. Accepts that and `200ms`, `1h30m`, `2d`. */
export function durationText(text: string, flag: string): string {
  const total = nanoseconds(text);
  if (total === undefined)
    throw new Failure(`${flag} must be a duration like 1.5s, 200ms or 1h30m, not ${JSON.stringify(text)}`);
  const magnitude = total < 0n ? -total : total;
  const fraction = (magnitude % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${total < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction && `.${fraction}`}s`;
}

/** Milliseconds of a duration; a bare number is seconds. Failure if it is none, or not above zero. */
export function durationMs(text: string, flag: string): number {
  const total = nanoseconds(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text);
  if (total === undefined || total <= 0n)
    throw new Failure(`${flag} must be a duration like 30s, 200ms or 1h30m, not ${JSON.stringify(text)}`);
  return Math.max(1, Number(total / 1_000_000n));
}

function nanoseconds(text: string): bigint | undefined {
  const match = /^([+-]?)((?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|ms|s|m|h|d))+)$/.exec(text);
  if (!match) return undefined;
  let total = 0n;
  for (const [, whole, fraction = '', unit] of match[2]!.matchAll(/(\d+)(?:\.(\d+))?(ns|us|ms|s|m|h|d)/g)) {
    const size = units[unit!]!;
    total += BigInt(whole!) * size + (BigInt(fraction.padEnd(9, '0')) * size) / 1_000_000_000n;
  }
  return match[1] === '-' ? -total : total;
}
