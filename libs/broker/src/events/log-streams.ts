import { randomUUID } from 'node:crypto';
import type { Statement } from 'better-sqlite3';
import { type Event, eventLimits, type Position, type Published, type Retention } from './events.js';
import type { LogFile } from './log-file.js';
import { type CheckedEvent, sizeOf } from './validation.js';

/** A stream as its row has it. */
export interface StreamRow {
  readonly id: number;
  readonly name: string;
  readonly oldest: number;
  readonly next: number;
  readonly bytes: number;
  readonly time: number;
}

/** What an event's row has, here and among the dead letters. */
export interface EventRow {
  readonly offset: number;
  readonly at: number;
  readonly id: string;
  readonly headers: string;
  readonly body: Buffer;
}

/** Bytes of events in one read, unless the first alone is more. */
const readBytes = 2 * 1024 * 1024;
/** Rows removed in one transaction. */
const trimRows = 500;
/** Ids made up here begin with the offset, so that they need no row to be known again. */
const madeUp = /^([0-9a-z]{1,11})-[0-9a-f-]{36}$/;

/** The streams of a file and their events: statements, to be run in transactions where they write. */
export class LogStreams {
  readonly #retention: Retention;
  readonly #stream: Statement<[string], StreamRow>;
  readonly #streams: Statement<[], StreamRow>;
  readonly #addStream: Statement<[string]>;
  readonly #advance: Statement<[{ id: number; next: number; size: number; at: number }]>;
  readonly #add: Statement<[number, number, number, number, string, string, Uint8Array]>;
  readonly #from: Statement<[number, number, number], EventRow>;
  readonly #sizes: Statement<
    [number, number, number],
    { readonly offset: number; readonly at: number; readonly size: number }
  >;
  readonly #timeOf: Statement<[number, number], number>;
  readonly #knownAt: Statement<[number, number, string], number>;
  readonly #knownId: Statement<[number, string], { readonly offset: number; readonly at: number }>;
  readonly #addId: Statement<[number, string, number, number]>;
  readonly #oldIds: Statement<[number], { readonly place: number; readonly at: number }>;
  readonly #removeIds: Statement<[number]>;
  readonly #remove: Statement<[number, number]>;
  readonly #removed: Statement<[{ id: number; oldest: number; bytes: number }]>;

  constructor({ db }: LogFile, retention: Retention) {
    this.#retention = retention;
    this.#stream = db.prepare('SELECT * FROM streams WHERE name = ?');
    this.#streams = db.prepare('SELECT * FROM streams ORDER BY name');
    this.#addStream = db.prepare('INSERT INTO streams (name) VALUES (?)');
    this.#advance = db.prepare('UPDATE streams SET next = @next, bytes = bytes + @size, time = @at WHERE id = @id');
    this.#add = db.prepare(
      'INSERT INTO events (stream, offset, at, size, id, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#from = db.prepare(
      'SELECT offset, at, id, headers, body FROM events WHERE stream = ? AND offset >= ? ORDER BY offset LIMIT ?',
    );
    this.#sizes = db.prepare(
      'SELECT offset, at, size FROM events WHERE stream = ? AND offset >= ? ORDER BY offset LIMIT ?',
    );
    this.#timeOf = db
      .prepare<[number, number], number>('SELECT at FROM events WHERE stream = ? AND offset = ?')
      .pluck();
    this.#knownAt = db
      .prepare<[number, number, string], number>('SELECT at FROM events WHERE stream = ? AND offset = ? AND id = ?')
      .pluck();
    this.#knownId = db.prepare('SELECT offset, at FROM ids WHERE stream = ? AND id = ?');
    this.#addId = db.prepare('REPLACE INTO ids (stream, id, offset, at) VALUES (?, ?, ?, ?)');
    this.#oldIds = db.prepare('SELECT place, at FROM ids ORDER BY place LIMIT ?');
    this.#removeIds = db.prepare('DELETE FROM ids WHERE place <= ?');
    this.#remove = db.prepare('DELETE FROM events WHERE stream = ? AND offset < ?');
    this.#removed = db.prepare('UPDATE streams SET oldest = @oldest, bytes = bytes - @bytes WHERE id = @id');
  }

  find(name: string): StreamRow | undefined {
    return this.#stream.get(name);
  }

  all(): StreamRow[] {
    return this.#streams.all();
  }

  findOrAdd(name: string): StreamRow {
    const found = this.#stream.get(name);
    if (found) return found;
    this.#addStream.run(name);
    return this.#stream.get(name) as StreamRow;
  }

  publish(name: string, event: CheckedEvent): Published {
    const stream = this.findOrAdd(name);
    const known = event.id === undefined ? undefined : this.#known(stream, event.id);
    if (known !== undefined) return { offset: BigInt(known), id: event.id as string, duplicate: true };
    const { id: streamId, next: offset } = stream;
    const id = event.id ?? `${offset.toString(36)}-${randomUUID()}`;
    // The clock may have been set back, the order has not.
    const at = Math.max(stream.time, Date.now());
    const size = sizeOf(event);
    this.#add.run(streamId, offset, at, size, id, JSON.stringify(event.headers), event.body);
    if (event.id !== undefined) this.#addId.run(streamId, id, offset, Date.now());
    this.#advance.run({ id: streamId, next: offset + 1, size, at });
    return { offset: BigInt(offset), id, duplicate: false };
  }

  /** As many as may be read at once. */
  read(stream: StreamRow, from: number, limit: number): Event[] {
    let count = 0;
    let bytes = 0;
    for (const { size } of this.#sizes.iterate(stream.id, from, limit)) {
      bytes += size;
      if (count > 0 && bytes > readBytes) break;
      count++;
    }
    return count === 0 ? [] : this.#from.all(stream.id, from, count).map((row) => toEvent(stream.name, row));
  }

  /** The first event from an offset on. */
  first(stream: Pick<StreamRow, 'id'>, from: number): EventRow | undefined {
    return this.#from.get(stream.id, from, 1);
  }

  /** Offset from which a position reads. */
  offsetOf(stream: StreamRow, position: Position): number {
    if (position === 'oldest') return stream.oldest;
    if (position === 'newest') return stream.next;
    if ('offset' in position) return Number(position.offset);
    let [low, high] = [stream.oldest, stream.next];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#timeOf.get(stream.id, middle) ?? 0) < position.time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a stream holds more than it should. */
  isOver({ bytes }: StreamRow): boolean {
    return bytes > this.#retention.bytes;
  }

  /** Removes some of what is too old or too much; whether there is more. */
  trim(name: string): boolean {
    const stream = this.find(name);
    if (!stream) return false;
    const { id } = stream;
    const before = Date.now() - this.#retention.age;
    let { oldest, bytes } = stream;
    const rows = this.#sizes.all(id, oldest, trimRows);
    for (const { offset, at, size } of rows) {
      if (at >= before && bytes <= this.#retention.bytes) break;
      oldest = offset + 1;
      bytes -= size;
    }
    if (oldest === stream.oldest) return false;
    this.#remove.run(id, oldest);
    this.#removed.run({ id, oldest, bytes: stream.bytes - bytes });
    return rows.length === trimRows && rows.at(-1)?.offset === oldest - 1;
  }

  /** Whether `trim` would remove something. */
  isDue(stream: StreamRow): boolean {
    if (stream.oldest === stream.next) return false;
    return this.isOver(stream) || (this.#timeOf.get(stream.id, stream.oldest) ?? 0) < Date.now() - this.#retention.age;
  }

  /** Whether `forgetIds` would forget something. */
  hasOldIds(): boolean {
    const [first] = this.#oldIds.all(1);
    return first !== undefined && first.at < Date.now() - eventLimits.duplicateWindow;
  }

  /** Forgets some ids that are known no longer; whether there are more. */
  forgetIds(): boolean {
    const before = Date.now() - eventLimits.duplicateWindow;
    const rows = this.#oldIds.all(trimRows);
    const old = rows.findIndex(({ at }) => at >= before);
    const last = rows.at(old === -1 ? rows.length - 1 : old - 1);
    if (!last || old === 0) return false;
    this.#removeIds.run(last.place);
    return old === -1 && rows.length === trimRows;
  }

  #known(stream: StreamRow, id: string): number | undefined {
    const after = Date.now() - eventLimits.duplicateWindow;
    const offset = madeUp.exec(id)?.[1];
    if (offset !== undefined) {
      const at = this.#knownAt.get(stream.id, Number.parseInt(offset, 36), id);
      if (at !== undefined && at > after) return Number.parseInt(offset, 36);
    }
    const known = this.#knownId.get(stream.id, id);
    return known && known.at > after ? known.offset : undefined;
  }
}

export function toEvent(stream: string, { offset, id, at, headers, body }: EventRow): Event {
  return {
    stream,
    offset: BigInt(offset),
    id,
    body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength),
    headers: headers === '{}' ? {} : (JSON.parse(headers) as Record<string, string>),
    publishedAt: at,
  };
}
