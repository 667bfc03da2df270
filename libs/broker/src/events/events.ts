/** What is published to a stream of events. */
export interface NewEvent {
  /** Default: empty. */
  readonly body?: Uint8Array;
  /** Names and values as in a message of the broker; names come in lower case. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * By which a repetition is known: an event of the same stream with the same id within the last two minutes is not kept again. 1 to 200 bytes.
   * Default: made up.
   */
  readonly id?: string;
}

/** What is kept. */
export interface Event {
  readonly stream: string;
  /** Its place in the stream: 1 for the first, then ascending, with gaps at most where events were removed. Never used again. */
  readonly offset: bigint;
  readonly id: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** When it was kept, in milliseconds since 1970 by the clock of the events' store; never less than that of the event before. */
  readonly publishedAt: number;
}

export interface Published {
  readonly offset: bigint;
  readonly id: string;
  /** It was there already: `offset` is that of the first. */
  readonly duplicate: boolean;
}

export interface EventsOptions {
  /** Whose streams. Default `micro`. */
  readonly namespace?: string;
}

/** Where reading begins: at an offset, at the first event published at a time (milliseconds since 1970) or later, at the oldest kept, or behind the newest. */
export type Position = { readonly offset: bigint } | { readonly time: number } | 'oldest' | 'newest';

export interface ReadOptions extends EventsOptions {
  /** Default `oldest`. An offset that is not kept any more means the next one that is. */
  readonly from?: Position;
  /** At most so many, 1 to 10,000. Default 1,000. A read may return fewer, but none only at the end. */
  readonly limit?: number;
}

export interface FollowOptions extends EventsOptions {
  /** Default `newest`: what is published from when it is first read. */
  readonly from?: Position;
  /** Ends it, quietly. */
  readonly signal?: AbortSignal;
}

export interface ConsumeOptions extends EventsOptions {
  /** Who shares the work: each event is given to one consumer of the group at a time, and the group's progress is kept. */
  readonly group: string;
  /** Where the group begins when nobody has consumed in it before. Default `oldest`. */
  readonly from?: Position;
  /** Milliseconds, at least 100, in which an event is to be acknowledged before it is given out again. Default 30,000. */
  readonly ackWait?: number;
  /** Times, at least 1, that an event is given out before it goes to the dead letters; those that a consumer gave back by closing do not count. Default 5. */
  readonly maxDeliveries?: number;
  /** Milliseconds to wait before the second delivery; twice as many before each further one, up to a minute. Default 500. */
  readonly backoff?: number;
  /**
   * Events given out here and not yet acknowledged, 1 to 1,000. Default 64. 1 keeps the order also through redeliveries: nothing is given out here while
   * an earlier event of the group is not settled, whoever has it.
   */
  readonly inFlight?: number;
  /** Ends it, quietly. */
  readonly signal?: AbortSignal;
}

/** An event in a consumer's hands. One of `ack`, `nack` and `reject` settles it; a second is no error and does nothing. */
export interface Delivery {
  readonly event: Event;
  /** 1 the first time. */
  readonly attempt: number;
  /** It is done: not given out again in this group. Resolves when that is kept. MicroError `aborted`: too late, it was given out again. */
  ack(): Promise<void>;
  /** Give it out again, to whomever, after the backoff or `delay` milliseconds; the last allowed delivery makes it a dead letter. */
  nack(options?: { readonly delay?: number; readonly reason?: string }): Promise<void>;
  /** It will never be right: a dead letter, at once. */
  reject(reason?: string): Promise<void>;
  /** Begins the time for acknowledging anew, for work that takes long. */
  extend(): Promise<void>;
}

/** Iterating gives deliveries in the order of the stream, redeliveries in between when they are due. Not settled when the consumer ends: given out again. */
export interface Consumer extends AsyncIterable<Delivery>, AsyncDisposable {
  /** Takes no more, and gives back at once what was not settled. A second call does nothing. */
  close(): Promise<void>;
}

/** An event that a group gave up on. It stays until it is replayed or dropped, or its time is over. */
export interface DeadLetter {
  readonly event: Event;
  readonly group: string;
  readonly attempts: number;
  /** Of the last `nack` or `reject`; `not acknowledged in time` where there was none. */
  readonly reason: string;
  readonly diedAt: number;
}

export interface DeadLetterOptions extends EventsOptions {
  /** Default: of every group. */
  readonly group?: string;
}

export interface StreamsOptions extends EventsOptions {
  /** Default: all that there are. */
  readonly stream?: string;
}

/** What a stream holds. */
export interface StreamInfo {
  readonly stream: string;
  /** Events kept, and bytes of their bodies and headers. */
  readonly events: number;
  readonly bytes: number;
  /** Of the oldest and the newest event kept; undefined for none. */
  readonly oldest: bigint | undefined;
  readonly newest: bigint | undefined;
  readonly groups: readonly GroupInfo[];
}

export interface GroupInfo {
  readonly group: string;
  /** Events that are neither acknowledged nor dead letters, those given out at the moment included. */
  readonly pending: number;
  readonly deadLetters: number;
}

/** How long a stream's events are kept; whichever ends first. Dead letters are kept as long after they died. */
export interface Retention {
  /** Milliseconds. Default a day. */
  readonly age: number;
  /** Bytes of bodies and headers a stream. Default 1 GiB. */
  readonly bytes: number;
}

export const defaultRetention: Retention = { age: 24 * 3_600_000, bytes: 1024 ** 3 };

/** Of every adapter. */
export const eventLimits = {
  /** Of a stream's or a group's name: letters, digits, `.`, `_` and `-`; it begins and ends with a letter or digit. */
  nameLength: 200,
  idBytes: 200,
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  /** Milliseconds in which an id is known again. */
  duplicateWindow: 120_000,
} as const;

/**
 * Streams of events that are kept: the contract, and its token in Nest. A stream is there as soon as something is published to it or a group
 * consumes it. Its events have one order, for everyone. Consumers get each event at least once; more than once only where it was not
 * acknowledged in time, or its consumer or the platform broke down in between.
 *
 * MicroError `invalid_argument` for names, sizes and options beyond the limits, naming them; `unavailable` when the events cannot be reached
 * or are closed.
 */
export abstract class Events {
  /**
   * Resolves when the event is kept, as the adapter's capabilities (capabilities.ts) say. What is given may be changed as soon as this has
   * returned its promise.
   */
  abstract publish(stream: string, event: NewEvent, options?: EventsOptions): Promise<Published>;

  /** Events as they are kept now, in order; nobody's progress changes. Of a stream that is not there: none. */
  abstract read(stream: string, options?: ReadOptions): Promise<readonly Event[]>;

  /** Events from a position on, then those that are published, in order, each once, none left out. A slow consumer holds nobody up. */
  abstract follow(stream: string, options?: FollowOptions): AsyncIterable<Event>;

  /** Takes part in a group. Options of a group may differ between its consumers; each delivery goes by those of the consumer who has it. */
  abstract consume(stream: string, options: ConsumeOptions): Promise<Consumer>;

  /** The streams that there are, by name; of one that is not there, none. */
  abstract streams(options?: StreamsOptions): Promise<readonly StreamInfo[]>;

  /** What groups gave up on, by offset, then group. */
  abstract deadLetters(stream: string, options?: DeadLetterOptions): Promise<readonly DeadLetter[]>;

  /** Gives dead letters out again in their group, as if for the first time. Returns how many. Default: all of the group. */
  abstract replay(
    stream: string,
    options: EventsOptions & { readonly group: string; readonly offsets?: readonly bigint[] },
  ): Promise<number>;

  /** Removes dead letters for good. Returns how many. Default: all of the group. */
  abstract drop(
    stream: string,
    options: EventsOptions & { readonly group: string; readonly offsets?: readonly bigint[] },
  ): Promise<number>;

  /** Ends consumers and followers; later calls fail with `unavailable`. A second call does nothing. */
  abstract close(): Promise<void>;
}
