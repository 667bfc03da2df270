import { type DeadLetter, eventLimits } from './events.js';
import { isNobody, isNumber, numbers } from './jetstream-errors.js';
import { fromLetter, type StoredEvent, storedLetter } from './jetstream-messages.js';
import { type DeadPlace, deadPlace, letterOf, letterSubject, letterSubjects } from './jetstream-names.js';
import { type JetstreamServer, nanoseconds } from './jetstream-server.js';

/** Which letter: of which group, and of the event with which offset. */
export interface LetterKey {
  readonly group: string;
  readonly offset: number;
}

/** A letter, and which message it is. */
export interface KeptLetter {
  readonly letter: DeadLetter;
  readonly sequence: number;
}

/** Letters asked for at once. */
const batch = 100;

/** The dead letters of one stream: copies of its events in a stream of JetStream, one subject each, kept there as long as events are. */
export class JetstreamDead {
  readonly #server: JetstreamServer;
  readonly #stream: string;
  readonly #place: DeadPlace;
  readonly #age: number;
  #ensured: Promise<void> | undefined;

  constructor(
    server: JetstreamServer,
    options: { readonly namespace: string; readonly name: string; readonly age: number },
  ) {
    this.#server = server;
    this.#stream = options.name;
    this.#place = deadPlace(options.namespace, options.name);
    this.#age = options.age;
  }

  /** In place of one there may be. `death`: by which a second writing of the same is known, for two minutes. */
  async write(letter: DeadLetter, death: string): Promise<void> {
    await this.#store(letter, storedLetter(letter, death));
  }

  /** Begins the time of one anew. False: it is not there any more, or somebody else has done that. `death` as above. */
  renew({ letter, sequence }: KeptLetter, death: string): Promise<boolean> {
    const stored = storedLetter(letter, death);
    stored.headers.set('Nats-Expected-Last-Subject-Sequence', `${sequence}`);
    return this.#store(letter, stored);
  }

  /** Which there are, in no order; of one group or of all. */
  async keys(group?: string): Promise<LetterKey[]> {
    const subjects = await this.#server.subjectsIn(this.#place.name, letterSubjects(this.#place, group));
    const keys = subjects.map(letterOf);
    // Somebody else may have stored what is no letter.
    return keys.filter(({ offset }) => Number.isSafeInteger(offset));
  }

  /** Undefined: it is not there. */
  async get(key: LetterKey): Promise<DeadLetter | undefined> {
    return (await this.#kept(key))?.letter;
  }

  /** Those of them that are there. */
  async all(keys: readonly LetterKey[]): Promise<KeptLetter[]> {
    const letters: KeptLetter[] = [];
    for (let from = 0; from < keys.length; from += batch) {
      const found = await Promise.all(keys.slice(from, from + batch).map((key) => this.#kept(key)));
      letters.push(...found.filter((letter) => letter !== undefined));
    }
    return letters;
  }

  /** Whether it was there. */
  async remove({ group, offset }: LetterKey): Promise<boolean> {
    return (await this.#server.purge(this.#place.name, { filter: letterSubject(this.#place, group, offset) })) > 0;
  }

  /** Those of them that are there; returns how many. */
  async removeAll(keys: readonly LetterKey[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < keys.length; from += batch) {
      const removed = await Promise.all(keys.slice(from, from + batch).map((key) => this.remove(key)));
      count += removed.filter(Boolean).length;
    }
    return count;
  }

  /** All of a group, at once; returns how many. */
  clear(group: string): Promise<number> {
    return this.#server.purge(this.#place.name, { filter: letterSubjects(this.#place, group) });
  }

  async #kept({ group, offset }: LetterKey): Promise<KeptLetter | undefined> {
    const stored = await this.#server.last(this.#place.name, letterSubject(this.#place, group, offset));
    const letter = stored && fromLetter({ stream: this.#stream, group, offset }, stored);
    return letter && { letter, sequence: stored.sequence };
  }

  /** False: it was to be in place of one that is not there. */
  #store({ group, event }: DeadLetter, { headers, data }: Pick<StoredEvent, 'headers' | 'data'>): Promise<boolean> {
    const subject = letterSubject(this.#place, group, Number(event.offset));
    return this.#server.persist(async () => {
      await this.#ensure();
      try {
        await this.#server.append(subject, data, headers);
        return true;
      } catch (error) {
        if (isNumber(error, numbers.otherLast)) return false;
        // Removed, or without a leader.
        if (isNobody(error)) this.#ensured = undefined;
        throw error;
      }
    });
  }

  #ensure(): Promise<void> {
    if (!this.#ensured) {
      const age = nanoseconds(this.#age);
      const ensuring = this.#server.ensure({
        name: this.#place.name,
        subjects: [letterSubjects(this.#place)],
        max_age: age,
        max_msgs_per_subject: 1,
        duplicate_window: Math.min(age, nanoseconds(eventLimits.duplicateWindow)),
      });
      this.#ensured = ensuring;
      ensuring.catch(() => (this.#ensured = undefined));
    }
    return this.#ensured;
  }
}
