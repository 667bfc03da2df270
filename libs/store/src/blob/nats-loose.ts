import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { recordOf } from './nats-record.js';
import type { BlobStreams, Last } from './nats-streams.js';
import { holdSubject, infoStream, looseSubject, noteStream } from './nats-subjects.js';

/** That content may belong to no blob: it is being written, or its blob has been replaced or deleted. */
interface LooseNote {
  readonly id: string;
  /** Where the blob is whose content it is, or was. */
  readonly subject: string;
  /** Nobody has renewed the note for a while: whoever did has lost the content. */
  readonly isDoomed?: boolean;
}

/** A note of this process's, to be renewed. */
export interface OwnNote {
  readonly id: string;
  readonly subject: string;
  sequence: number;
  /** On the monotonic clock. */
  renewedAt: number;
  renewing?: Promise<void>;
}

/** A note on content that its blob has turns out to be needless after so many times the grace: by then whoever wrote it is no more. */
const needlessAfter = 30;

/**
 * Content that no blob has, or soon has not: noted before it is written, and before its blob is replaced or deleted, so that nothing is forgotten
 * whoever dies when. It goes when its note is old, no blob has it, and nobody says that he still reads it. Every process looks for it now and then; all
 * times are the server's.
 */
export class Loose {
  readonly #streams: BlobStreams;
  readonly #grace: number;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();

  /** `grace`: milliseconds that a note and a reader's hold are good for. They are renewed four times in that. */
  constructor(streams: BlobStreams, grace: number) {
    this.#streams = streams;
    this.#grace = grace;
    const look = () => void (this.#sweeping = this.sweep().catch(() => undefined));
    this.#timer = setInterval(look, grace * (0.4 + Math.random() / 5)).unref();
  }

  get renewEvery(): number {
    return this.#grace / 4;
  }

  async note(id: string, subject: string): Promise<OwnNote> {
    const begun = performance.now();
    const sequence = await this.#put({ id, subject });
    return { id, subject, sequence, renewedAt: begun };
  }

  /** MicroError `unavailable`, too, where it was not renewed in time, and the content is lost. */
  renew(note: OwnNote): Promise<void> {
    // One at a time: the second would take the first for somebody else's.
    return (note.renewing ??= this.#renew(note).finally(() => (note.renewing = undefined)));
  }

  /** Renews a note that may not be good for what is about to be done. */
  async check(note: OwnNote): Promise<void> {
    if (performance.now() - note.renewedAt > this.#grace / 2) await this.renew(note);
  }

  async forget(note: OwnNote): Promise<void> {
    await this.#streams.remove(noteStream, note.sequence);
  }

  /** Says that this process reads the content, until the returned function is called. */
  hold(id: string): () => void {
    const subject = holdSubject(id, randomUUID());
    let last: Promise<number> | undefined;
    const say = () => {
      last = this.#streams.publish(subject, new Uint8Array(), { id: randomUUID() });
      last.catch(() => undefined);
    };
    const timer = setInterval(say, this.renewEvery).unref();
    return () => {
      clearInterval(timer);
      last?.then((sequence) => this.#streams.remove(noteStream, sequence)).catch(() => undefined);
    };
  }

  /** Removes what is nobody's any more. */
  async sweep(): Promise<void> {
    const subjects = await this.#streams.subjects(noteStream, looseSubject('*'));
    if (subjects.length === 0) return;
    const now = await this.#streams.now();
    for (const subject of subjects) {
      const last = await this.#streams.last(noteStream, subject);
      if (last && now - last.time >= this.#grace) await this.#decide(last, now);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #renew(note: OwnNote): Promise<void> {
    const begun = performance.now();
    try {
      note.sequence = await this.#put({ id: note.id, subject: note.subject }, note.sequence);
      note.renewedAt = begun;
    } catch (error) {
      if (!isAborted(error)) throw error;
      const detail = 'this process stood still for so long that what it had written was removed: write the blob again';
      throw new MicroError('unavailable', detail, { id: 'store', cause: error });
    }
  }

  async #decide(last: Last, now: number): Promise<void> {
    const note = JSON.parse(Buffer.from(last.data).toString()) as LooseNote;
    if ((await this.#contentOf(note.subject)) === note.id) {
      if (now - last.time > this.#grace * needlessAfter) await this.#streams.remove(noteStream, last.sequence);
    } else if (!note.isDoomed) {
      // Who comes to renew it first keeps it.
      await this.#put({ ...note, isDoomed: true }, last.sequence).catch((error: unknown) => {
        if (!isAborted(error)) throw error;
      });
    } else if (!(await this.#isHeld(note.id, now))) {
      await this.#streams.removeContent(note.id);
      await this.#streams.remove(noteStream, last.sequence);
    }
  }

  async #contentOf(subject: string): Promise<string | undefined> {
    const last = await this.#streams.last(infoStream, subject);
    return last && recordOf(last.data, subject)?.content?.id;
  }

  async #isHeld(id: string, now: number): Promise<boolean> {
    let isHeld = false;
    for (const subject of await this.#streams.subjects(noteStream, holdSubject(id, '*'))) {
      const last = await this.#streams.last(noteStream, subject);
      if (last && now - last.time < this.#grace) isHeld = true;
      else if (last) await this.#streams.remove(noteStream, last.sequence);
    }
    return isHeld;
  }

  #put(note: LooseNote, after?: number): Promise<number> {
    const data = Buffer.from(JSON.stringify(note));
    return this.#streams.publish(looseSubject(note.id), data, { id: randomUUID(), after });
  }
}

/** Somebody else was faster. */
export function isAborted(error: unknown): boolean {
  return error instanceof MicroError && error.code === 'aborted';
}
