/** Records of the contract as messages of events.proto, and back. */
import { eventsProto } from '@micro/proto';
import type { DeadLetter, Event, Position, StreamInfo } from './events.js';
import { invalid } from './validation.js';

/** Response header of Follow: the offset from which it goes, or that it goes from where it was asked to. Without it the follower is not in force. */
export const fromHeader = 'micro-events-from';
export const asAsked = 'as-asked';

export function toEvent({ stream, offset, id, headers, body, publishedAt }: Event): eventsProto.Event {
  return { stream, offset, id, headers: { ...headers }, body, publishedAt: BigInt(publishedAt) };
}

/** A copy of the bytes, of which others are part of what came with them. */
export function fromEvent({ stream, offset, id, headers, body, publishedAt }: eventsProto.Event): Event {
  return { stream, offset, id, headers: { ...headers }, body: new Uint8Array(body), publishedAt: Number(publishedAt) };
}

export function toPosition(position: Position | undefined): eventsProto.Position | undefined {
  if (position === undefined) return undefined;
  if (position === 'oldest') return { end: eventsProto.Position_End.OLDEST };
  if (position === 'newest') return { end: eventsProto.Position_End.NEWEST };
  // A time between two milliseconds is before the later one.
  return 'offset' in position ? { offset: position.offset } : { time: BigInt(Math.ceil(position.time)) };
}

export function fromPosition(position: eventsProto.Position | undefined): Position | undefined {
  if (position?.offset !== undefined) return { offset: position.offset };
  if (position?.time !== undefined) return { time: Number(position.time) };
  switch (position?.end) {
    case undefined:
      return undefined;
    case eventsProto.Position_End.OLDEST:
      return 'oldest';
    case eventsProto.Position_End.NEWEST:
      return 'newest';
    default:
      throw invalid(`there is no end ${position?.end} of a stream: OLDEST or NEWEST`);
  }
}

export function toStreamInfo({ events, bytes, groups, ...info }: StreamInfo): eventsProto.StreamInfo {
  return {
    ...info,
    events: BigInt(events),
    bytes: BigInt(bytes),
    groups: groups.map(({ group, pending, deadLetters }) => ({
      group,
      pending: BigInt(pending),
      deadLetters: BigInt(deadLetters),
    })),
  };
}

export function fromStreamInfo({ stream, events, bytes, oldest, newest, groups }: eventsProto.StreamInfo): StreamInfo {
  return {
    stream,
    events: Number(events),
    bytes: Number(bytes),
    oldest,
    newest,
    groups: groups.map(({ group, pending, deadLetters }) => ({
      group,
      pending: Number(pending),
      deadLetters: Number(deadLetters),
    })),
  };
}

export function toDeadLetter({ event, group, attempts, reason, diedAt }: DeadLetter): eventsProto.DeadLetter {
  return { event: toEvent(event), group, attempts, reason, diedAt: BigInt(diedAt) };
}

export function fromDeadLetter({ event, group, attempts, reason, diedAt }: eventsProto.DeadLetter): DeadLetter[] {
  return event ? [{ event: fromEvent(event), group, attempts, reason, diedAt: Number(diedAt) }] : [];
}
