import { type Question, serviceType } from './mdns-records.js';

/** Labels that are asked for at once: more answers would overrun the buffer that they arrive in. */
const window = 100;
/** Names in one query. */
const questionsAtOnce = 50;
/** Milliseconds until an answer is given up, and how often it is asked for. */
const patience = 100;
const mostTries = 8;

/**
 * Nodes of which nothing but their label was heard, because a packet was lost or whoever named them said no more: they are asked, some at
 * a time, until they answer or it is clear that they will not.
 */
export class Unseen {
  readonly #ask: (questions: readonly Question[]) => void;
  /** How often each was asked. */
  readonly #tries = new Map<string, number>();
  readonly #asked = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(ask: (questions: readonly Question[]) => void) {
    this.#ask = ask;
  }

  get size(): number {
    return this.#tries.size;
  }

  add(label: string): void {
    if (this.#tries.has(label)) return;
    this.#tries.set(label, 0);
    // Once the packet that named it is read: it may name others.
    if (this.#asked.size === 0) this.#askIn(0);
  }

  /** The node has answered, or is gone. */
  delete(label: string): void {
    this.#tries.delete(label);
    if (this.#asked.delete(label) && this.#asked.size === 0) this.#askIn(0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#tries.clear();
  }

  #askIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askNext(), milliseconds);
    this.#timer.unref();
  }

  #askNext(): void {
    // Who has not answered waits until the others had their turn.
    for (const label of this.#asked) {
      const tries = this.#tries.get(label) ?? 0;
      this.#tries.delete(label);
      if (tries < mostTries) this.#tries.set(label, tries);
    }
    this.#asked.clear();
    for (const [label, tries] of this.#tries) {
      if (this.#asked.size === window) break;
      this.#asked.add(label);
      this.#tries.set(label, tries + 1);
    }
    const questions = [...this.#asked].map((label) => ({ name: `${label}.${serviceType}`, type: 'TXT' }));
    for (let at = 0; at < questions.length; at += questionsAtOnce) this.#ask(questions.slice(at, at + questionsAtOnce));
    if (questions.length > 0) this.#askIn(patience);
  }
}
