import { MicroError } from '@micro/errors';
import { checkedPlace, invalid, quote } from '../blob/validation.js';
import { type AcquireOptions, defaultTtl, type LeaseOptions, lockLimits, type LockPlace } from './locks.js';

/** One lock, as adapters keep it: `place` is `database/table`, of which neither has a slash. */
export interface Lockable {
  readonly place: string;
  readonly name: string;
  /** Both in one text. */
  readonly key: string;
}

/** Who wants it, and how. */
export interface Claim extends Lockable {
  readonly id: string;
  readonly ttl: number;
  /** Milliseconds; Infinity: until it is had. */
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
}

export function checkedLock(name: string, options: LockPlace | undefined): Lockable {
  const { database, table } = checkedPlace(options);
  checkName(name);
  const place = `${database}/${table}`;
  return { place, name, key: `${place}/${name}` };
}

export function checkedClaim(name: string, id: string, options: AcquireOptions = {}): Claim {
  const { wait = Infinity, signal } = options;
  if (!(wait >= 0))
    throw invalid(`wait ${wait} is not a number of milliseconds from 0: leave it out to wait until the lock is had`);
  return { ...checkedLock(name, options), id: checkedId(id), ttl: checkedTtl(options), wait, signal };
}

export function checkedId(id: string): string {
  if (typeof id === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(id)) return id;
  throw invalid(
    `the id ${quote(String(id))} may only have letters, digits, '.', '_' and '-', 1 to 100 of them: make up one that is nobody else's`,
  );
}

export function checkedTtl({ ttl = defaultTtl }: LeaseOptions = {}): number {
  if (ttl >= lockLimits.leastTtl && ttl <= lockLimits.ttl) return Math.ceil(ttl);
  throw invalid(`ttl ${ttl} is not a number of milliseconds from ${lockLimits.leastTtl} to ${lockLimits.ttl}`);
}

/** Somebody else has it. */
export function taken({ name, place }: Lockable, { wait }: Pick<Claim, 'wait'>): MicroError {
  const [database = '', table = ''] = place.split('/');
  const waited = wait > 0 ? ` after ${wait} ms` : '';
  const detail = `somebody else has the lock ${quote(name)} of table ${quote(table)} of database ${quote(database)}${waited}: try again, or wait longer`;
  return new MicroError('aborted', detail, { id: 'store' });
}

/** Whoever had it has it no more. */
export function lost({ name }: Pick<Lockable, 'name'>, why: string): MicroError {
  return new MicroError('aborted', `the lock ${quote(name)} is lost: ${why}; acquire it again, and begin anew`, {
    id: 'store',
  });
}

/** What every call on closed locks is answered with. */
export function closed(): MicroError {
  return new MicroError('unavailable', 'these locks are closed: open others', { id: 'store' });
}

function checkName(name: string): void {
  if (typeof name !== 'string') throw invalid('the name of the lock is not a text');
  if (/\p{Cs}/u.test(name))
    throw invalid(`the name ${quote(name)} has half of a surrogate pair, which UTF-8 cannot say`);
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) throw invalid('the name of the lock is empty');
  if (bytes > lockLimits.nameBytes)
    throw invalid(`the name ${quote(name)} has ${bytes} bytes of UTF-8: ${lockLimits.nameBytes} are the most`);
}
