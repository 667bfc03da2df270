/**
 * Subjects and packets of the broker on NATS. A packet is cut into as many messages of NATS as it needs: a flag byte (1: the first, 2: the last), 12
 * bytes that say whose it is, 4 that count (big-endian), and its bytes. What comes from one connection to one subject comes in order; the count tells
 * whether something between was lost, as it is when whoever listens, or a server on the way, loses its connection.
 */
import { MicroError } from '@micro/errors';

export const subjects = {
  /** What is told to every process: who is there, and which subscriptions come and go. */
  everybody: 'micro.broker.everybody',
  /** Asked once, by a process that has just connected: everybody else answers. */
  hello: 'micro.broker.hello',
  /** What goes to one process, by what it is. */
  process: (id: string, kind: string) => `micro.broker.process.${id}.${kind}`,
  /** What is published, for the subscriptions without a queue. */
  topic: (namespace: string, topic: string) => `micro.broker.topic.${token(namespace)}.${token(topic)}`,
} as const;

const ownerBytes = 12;
/** Flag, owner and count. */
const headBytes = 1 + ownerBytes + 4;
const [first, last] = [1, 2];
/** What was counted last: one more with each message of a packet, so that those of one packet follow each other. */
let counted = 0;
/** Owners whose packets may be incomplete at a time. One that stays so is of a process that died. */
const mostPartial = 64;
/** Of a message of NATS. The smallest things that the broker says fit in it. */
const leastPayload = 4_096;

/** Whose a packet is: a process, and which of its streams. */
export interface Owner {
  /** 16 hexadecimal digits. */
  readonly process: string;
  readonly number: number;
}

/** An owner as 12 bytes, one character each. */
export type OwnerKey = string;

export function keyOf({ process, number }: Owner): OwnerKey {
  const bytes = Buffer.alloc(ownerBytes);
  bytes.write(process, 'hex');
  bytes.writeUInt32BE(number, 8);
  return bytes.toString('latin1');
}

export function ownerOf(key: OwnerKey): Owner {
  const bytes = Buffer.from(key, 'latin1');
  return { process: bytes.toString('hex', 0, 8), number: bytes.readUInt32BE(8) };
}

/** Largest message that the server takes. MicroError `failed_precondition` if it is too small to go by. */
export function payloadOf(info: { readonly max_payload: number } | undefined): number {
  const most = info?.max_payload ?? leastPayload;
  if (most >= leastPayload) return most;
  const detail = `NATS takes messages of ${most} bytes: set its max_payload to ${leastPayload} at least`;
  throw new MicroError('failed_precondition', detail, { id: 'broker' });
}

/** The messages of NATS that a packet is. */
export function toMessages(owner: OwnerKey, pieces: readonly Uint8Array[], mostBytes: number): Buffer[] {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  if (length + headBytes <= mostBytes) return [messageOf(owner, first | last, pieces, length)];
  const packet = Buffer.concat(pieces, length);
  const step = mostBytes - headBytes;
  const messages: Buffer[] = [];
  for (let at = 0; at < length; at += step) {
    const flag = (at === 0 ? first : 0) | (at + step >= length ? last : 0);
    const part = packet.subarray(at, at + step);
    messages.push(messageOf(owner, flag, [part], part.length));
  }
  return messages;
}

/** Joins messages of NATS, of one subject, to packets. */
export class Packets {
  readonly #partial = new Map<OwnerKey, { readonly parts: Uint8Array[]; readonly next: number }>();

  /** The packet that is complete with this message, whose bytes may be the message's own; undefined if there is none. */
  take(message: Uint8Array): { readonly owner: OwnerKey; readonly packet: Buffer } | undefined {
    if (message.length < headBytes) return undefined;
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    const flag = bytes[0] as number;
    const owner = bytes.toString('latin1', 1, 1 + ownerBytes);
    const rest = bytes.subarray(headBytes);
    if (flag === (first | last)) return { owner, packet: rest };
    const count = bytes.readUInt32BE(1 + ownerBytes);
    const { parts, next } = flag & first ? { parts: [], next: count } : (this.#partial.get(owner) ?? {});
    this.#partial.delete(owner);
    // Its beginning was for others, or something between was lost.
    if (!parts || count !== next) return undefined;
    parts.push(rest);
    if (flag & last) return { owner, packet: Buffer.concat(parts) };
    this.#partial.set(owner, { parts, next: after(count) });
    const [oldest = ''] = this.#partial.keys();
    if (this.#partial.size > mostPartial) this.#partial.delete(oldest);
    return undefined;
  }
}

function messageOf(owner: OwnerKey, flag: number, pieces: readonly Uint8Array[], length: number): Buffer {
  const message = Buffer.allocUnsafe(headBytes + length);
  message[0] = flag;
  message.write(owner, 1, 'latin1');
  message.writeUInt32BE((counted = after(counted)), 1 + ownerBytes);
  let at = headBytes;
  for (const piece of pieces) {
    message.set(piece, at);
    at += piece.length;
  }
  return message;
}

function after(count: number): number {
  return (count + 1) >>> 0;
}

/** Names have dots wherever they like, tokens of a subject none. */
function token(name: string): string {
  return name.replaceAll('.', '/');
}
