import { MicroError } from '@micro/errors';
import { checkedHeaders, checkName, invalid } from '../validation.js';
import {
  type ConsumeOptions,
  defaultRetention,
  eventLimits,
  type NewEvent,
  type Position,
  type Retention,
} from './events.js';

export { checkedNamespace, invalid } from '../validation.js';

/** An event as it is to be kept, its bytes still the caller's; without an id where one is to be made up. */
export interface CheckedEvent {
  readonly id: string | undefined;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** How a consumer takes part, with nothing left open. */
export interface Terms {
  readonly ackWait: number;
  readonly maxDeliveries: number;
  readonly backoff: number;
  readonly inFlight: number;
}

export function checkedStream(stream: string): string {
  checkName('stream', stream);
  return stream;
}

export function checkedGroup(group: string): string {
  checkName('group', group);
  return group;
}

/** What every adapter makes of an event before it keeps it. */
export function checkedEvent({ id, body = new Uint8Array(), headers = {} }: NewEvent): CheckedEvent {
  if (!(body instanceof Uint8Array)) throw invalid(`the body of an event is a Uint8Array, not ${typeof body}`);
  if (body.length > eventLimits.bodyBytes) {
    throw invalid(
      `the body of an event has at most ${eventLimits.bodyBytes} bytes, this one has ${body.length}: keep it as a blob and publish where it is`,
    );
  }
  return { id: checkedId(id), body, headers: checkedHeaders(headers) };
}

export function checkedTerms(options: ConsumeOptions): Terms {
  const { ackWait = 30_000, maxDeliveries = 5, backoff = 500, inFlight = 64 } = options;
  checkWhole('ackWait', ackWait, { least: 100, most: longest });
  checkWhole('maxDeliveries', maxDeliveries, { least: 1, most: 1_000_000 });
  checkWhole('backoff', backoff, { least: 0, most: longest });
  checkWhole('inFlight', inFlight, { least: 1, most: 1_000 });
  return { ackWait, maxDeliveries, backoff, inFlight };
}

export function checkedLimit(limit: number = 1_000): number {
  checkWhole('limit', limit, { least: 1, most: 10_000 });
  return limit;
}

export function checkedPosition(position: Position): Position {
  if (position === 'oldest' || position === 'newest') return position;
  if (typeof position === 'object' && 'offset' in position && typeof position.offset === 'bigint') {
    if (position.offset >= 0n && position.offset <= BigInt(Number.MAX_SAFE_INTEGER)) return position;
    throw invalid(`offset ${position.offset} is not from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  if (typeof position === 'object' && 'time' in position && Number.isFinite(position.time)) return position;
  throw invalid(`a position is 'oldest', 'newest', { offset } with a bigint or { time } with milliseconds since 1970`);
}

export function checkedDelay(delay: number | undefined): number | undefined {
  if (delay !== undefined) checkWhole('delay', delay, { least: 0, most: longest });
  return delay;
}

export function checkedRetention({ age, bytes }: Retention = defaultRetention): Retention {
  if (!(age > 0)) throw invalid(`retention.age ${age} is no number of milliseconds above 0`);
  if (!(bytes > 0)) throw invalid(`retention.bytes ${bytes} is no number above 0`);
  return { age, bytes };
}

/** Why something died, as it is kept. */
export function shortened(reason: string): string {
  return reason.length > mostReason ? `${reason.slice(0, mostReason - 1)}…` : reason;
}

/** Of the headers, names and values together, and the body. */
export function sizeOf({ body, headers }: Pick<CheckedEvent, 'body' | 'headers'>): number {
  let bytes = body.length;
  for (const [name, value] of Object.entries(headers)) bytes += name.length + Buffer.byteLength(value);
  return bytes;
}

/** What every call on closed events is answered with. */
export function closed(): MicroError {
  return new MicroError('unavailable', 'these events are closed: open others', { id: 'broker' });
}

/** What settling throws when another may have the event. */
export function tooLate(offset: bigint): MicroError {
  return new MicroError('aborted', `event ${offset} is not in these hands any more: it is given out again`, {
    id: 'broker',
  });
}

/** A month: what a timer of Node can wait, rounded. */
const longest = 24 * 24 * 3_600_000;
const mostReason = 1_000;

function checkedId(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  if (typeof id !== 'string' || id === '') throw invalid('the id of an event is a text that is not empty');
  if (/\p{Cs}/u.test(id)) throw invalid('the id of an event has half a surrogate pair');
  const bytes = Buffer.byteLength(id);
  if (bytes > eventLimits.idBytes)
    throw invalid(`the id of an event has at most ${eventLimits.idBytes} bytes, this one has ${bytes}`);
  return id;
}

function checkWhole(
  what: string,
  value: number,
  { least, most }: { readonly least: number; readonly most: number },
): void {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw invalid(`${what} ${value} is no whole number from ${least} to ${most}`);
}
