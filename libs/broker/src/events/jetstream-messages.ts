/** Events as messages of JetStream, and back. */
import type { MsgHdrs } from '@nats-io/transport-node';
import type { DeadLetter, Event } from './events.js';
import { idHeaders, type Stored } from './jetstream-server.js';
import { type CheckedEvent, sizeOf } from './validation.js';

/** Bytes that a dead letter may be larger than its event, as messages: its reason, its group, and the id as JSON. */
export const letterBytes = 8_192;

export interface StoredEvent {
  readonly subject: string;
  readonly headers: MsgHdrs;
  readonly data: Uint8Array;
}

/** A message header, whose value is the headers of an event, as JSON. */
const headersName = 'Micro-Headers';
/** A message header of a dead letter, whose value is what is known of it besides its body, as JSON. */
const letterName = 'Micro-Dead-Letter';
/** Bytes that JetStream needs for a message besides its subject, its headers and its data (`fileStoreMsgSize` of nats-server). */
const recordBytes = 34;
/** Bytes of the headers of a message besides each name and value with `: ` and the end of its line. */
const blockBytes = 'NATS/1.0\r\n\r\n'.length;
/** What a message needs beyond its event's body and headers is made a multiple of this. */
const stepBytes = 64;
const classDigits = 3;
const classOf = /\.[0-9a-z]{3}$/;

/**
 * JetStream counts what it stores, retention counts bodies and headers. So what a message needs beyond those is padded, and its subject ends with how
 * many steps that is: from how many messages each such subject has follows what their events are in bytes. `bytes`: of the message, at most.
 */
export function storedEvent(
  subject: string,
  { id, body, headers }: CheckedEvent & { readonly id: string },
): StoredEvent & { readonly bytes: number } {
  const known = encodeURIComponent(id);
  const json = JSON.stringify(headers);
  const lines = `Nats-Msg-Id: ${known}\r\n${headersName}: \r\n`.length + Buffer.byteLength(json);
  const stored = recordBytes + subject.length + 1 + classDigits + blockBytes + lines;
  const beyond = stored - sizeOf({ body: nothing, headers });
  const steps = Math.ceil(beyond / stepBytes);
  const message = idHeaders(known);
  message.set(headersName, `${json.slice(0, -1)}${' '.repeat(steps * stepBytes - beyond)}}`);
  return {
    subject: `${subject}.${steps.toString(36).padStart(classDigits, '0')}`,
    headers: message,
    data: body,
    bytes: sizeOf({ body, headers }) + steps * stepBytes,
  };
}

/** Bytes of bodies and headers, of all events of a stream. */
export function eventBytes({
  bytes,
  subjects,
}: {
  readonly bytes: number;
  readonly subjects: Readonly<Record<string, number>>;
}): number {
  let beyond = 0;
  for (const [subject, count] of Object.entries(subjects))
    // Of what somebody else has stored there all counts.
    beyond += classOf.test(subject) ? count * stepBytes * Number.parseInt(subject.slice(-classDigits), 36) : 0;
  return Math.max(0, bytes - beyond);
}

export function fromStored(stream: string, { sequence, at, headers, data }: Stored): Event {
  const known = headers.get('Nats-Msg-Id') ?? '';
  return {
    stream,
    offset: BigInt(sequence),
    // What somebody else has stored there is an event as well.
    id: unless(() => decodeURIComponent(known)) ?? known,
    body: new Uint8Array(data),
    headers: unless(() => JSON.parse(headers.get(headersName) ?? '') as Record<string, string> | null) ?? {},
    publishedAt: at,
  };
}

/** Undefined: it throws. */
function unless<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** `death`: by which it is known when it is written a second time. */
export function storedLetter(
  { event, attempts, reason, diedAt }: DeadLetter,
  death: string,
): Omit<StoredEvent, 'subject'> {
  const { id, headers, publishedAt } = event;
  const message = idHeaders(death);
  message.set(letterName, JSON.stringify({ id, headers, publishedAt, attempts, reason, diedAt }));
  return { headers: message, data: event.body };
}

/** Undefined: it is none, but what somebody else has stored there. */
export function fromLetter(
  { stream, group, offset }: { readonly stream: string; readonly group: string; readonly offset: number },
  { headers: found, data }: Stored,
): DeadLetter | undefined {
  type Known = Pick<Event, 'id' | 'headers' | 'publishedAt'> & Omit<DeadLetter, 'event' | 'group'>;
  const known = unless(() => JSON.parse(found.get(letterName) ?? '') as Known | null);
  if (!known) return undefined;
  const { id, headers, publishedAt, attempts, reason, diedAt } = known;
  const event = { stream, offset: BigInt(offset), id, body: new Uint8Array(data), headers, publishedAt };
  return { event, group, attempts, reason, diedAt };
}

const nothing = new Uint8Array();
