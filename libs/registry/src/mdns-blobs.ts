import { type BlobReference, blobName, type Question, type Texts, unpackBlob } from './mdns-records.js';

interface Wanted {
  readonly reference: BlobReference;
  readonly chunks: (Buffer | undefined)[];
  /** Who has it. */
  readonly labels: Set<string>;
  /** Chunks that were asked for and have not come. */
  readonly asked: Set<number>;
  tries: number;
  askAt: number;
}

/** Milliseconds for chunks to come by themselves, as they do with a first announcement. */
const patience = 15;
const firstRetry = 100;
const longestRetry = 5_000;
/** Chunks of one blob that are asked for at once: more would overrun the buffer that they arrive in. */
const window = 12;
/** Names in one query. */
const questionsAtOnce = 50;

/**
 * Gathers blobs chunk by chunk: takes those that pass by, asks the nodes that have them for those that do not, and asks again, less and
 * less often, for as long as a node is said to have them. Blobs are known by their hash, so what is here never has to be fetched again.
 */
export class Blobs {
  readonly #ask: (questions: readonly Question[]) => void;
  readonly #arrived: (labels: Iterable<string>) => void;
  readonly #whole = new Map<string, Uint8Array>();
  readonly #wanted = new Map<string, Wanted>();
  #timer: { readonly timeout: NodeJS.Timeout; readonly at: number } | undefined;

  /** `arrived` is told of the nodes that wait for a blob that is here now. */
  constructor(ask: (questions: readonly Question[]) => void, arrived: (labels: Iterable<string>) => void) {
    this.#ask = ask;
    this.#arrived = arrived;
  }

  get size(): number {
    return this.#whole.size;
  }

  /** The blob, if it is here; else it is fetched from the node of this label. */
  get(reference: BlobReference, label: string): Uint8Array | undefined {
    const whole = this.#whole.get(reference.hash);
    if (whole) return whole;
    const wanted = this.#wanted.get(reference.hash);
    if (wanted) {
      wanted.labels.add(label);
      return undefined;
    }
    const chunks = Array.from<undefined>({ length: reference.count });
    const askAt = performance.now() + patience;
    this.#wanted.set(reference.hash, {
      reference,
      chunks,
      labels: new Set([label]),
      asked: new Set(),
      tries: 0,
      askAt,
    });
    this.#wakeAt(askAt);
    return undefined;
  }

  /** A node is gone, or has other blobs now. */
  forget(reference: BlobReference, label: string): void {
    const wanted = this.#wanted.get(reference.hash);
    wanted?.labels.delete(label);
    if (wanted?.labels.size === 0) this.#wanted.delete(reference.hash);
  }

  /** Drops blobs that no node has any more. */
  keepOnly(hashes: ReadonlySet<string>): void {
    for (const hash of [...this.#whole.keys()]) if (!hashes.has(hash)) this.#whole.delete(hash);
  }

  receive(hash: string, chunk: number, strings: Texts): void {
    const wanted = this.#wanted.get(hash);
    if (!wanted || chunk >= wanted.chunks.length || wanted.chunks[chunk]) return;
    wanted.chunks[chunk] = Buffer.concat(strings);
    wanted.asked.delete(chunk);
    if (wanted.chunks.every((one) => one !== undefined)) return this.#complete(wanted);
    if (wanted.asked.size > 0 || wanted.tries === 0) return;
    wanted.tries = 0;
    wanted.askAt = 0;
    this.#wakeAt(performance.now());
  }

  close(): void {
    clearTimeout(this.#timer?.timeout);
    this.#wanted.clear();
  }

  #complete({ reference: { hash }, chunks, labels, asked }: Wanted): void {
    const bytes = unpackBlob(hash, chunks as Buffer[]);
    if (!bytes) {
      // Somebody sent what is not it: begin anew, later.
      chunks.fill(undefined);
      asked.clear();
      return;
    }
    this.#wanted.delete(hash);
    this.#whole.set(hash, bytes);
    this.#arrived(labels);
  }

  #wakeAt(at: number): void {
    if (this.#timer && this.#timer.at <= at) return;
    clearTimeout(this.#timer?.timeout);
    const timeout = setTimeout(() => this.#askForMissing(), Math.max(0, at - performance.now()));
    timeout.unref();
    this.#timer = { timeout, at };
  }

  #askForMissing(): void {
    this.#timer = undefined;
    const now = performance.now();
    const questions: Question[] = [];
    let next = Infinity;
    for (const wanted of this.#wanted.values()) {
      if (wanted.askAt <= now + 1) questions.push(...questionsFor(wanted, now));
      next = Math.min(next, wanted.askAt);
    }
    for (let at = 0; at < questions.length; at += questionsAtOnce) this.#ask(questions.slice(at, at + questionsAtOnce));
    if (next < Infinity) this.#wakeAt(next);
  }
}

/** What to ask next, each time of another node that has it. */
function questionsFor(wanted: Wanted, now: number): Question[] {
  const { reference, chunks, labels, asked } = wanted;
  const label = [...labels][wanted.tries % labels.size];
  asked.clear();
  for (const [chunk, bytes] of chunks.entries()) if (!bytes && asked.size < window) asked.add(chunk);
  wanted.askAt = now + Math.min(firstRetry * 2 ** wanted.tries, longestRetry);
  wanted.tries++;
  return [...asked].flatMap((chunk) =>
    label === undefined ? [] : { name: blobName(reference, chunk, label), type: 'TXT' },
  );
}
