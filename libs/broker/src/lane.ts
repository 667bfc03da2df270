import type { Message } from './broker.js';
import type { Inbox } from './inbox.js';

/** What a subscriber says to messages that were sent to it: how many of them, from the first, it has taken, and how many wait there now. */
export interface Answer {
  readonly taken: number;
  readonly waiting: number;
}

interface Waiting {
  readonly message: Message;
  readonly timer: NodeJS.Timeout;
  settle(taken: boolean): void;
}

/**
 * The way to those of whom one gets each message: to a queue's members, or to a subscription that is alone. What cannot be taken waits in
 * line, so that nothing overtakes.
 */
export class Lane {
  readonly members: Inbox[] = [];
  readonly #patience: number;
  readonly #mostBytes: number;
  readonly #line: Waiting[] = [];
  /** Of the bodies in line. */
  #bytes = 0;
  /** When the line began to stand still. */
  #stillSince = 0;
  /** Nobody took anything for as long as patience lasts: what comes is not waited for until somebody does. */
  #givenUp = false;

  /** `mostBytes`: of bodies, so many of which at most wait in line. Default: any. */
  constructor(patience: number, mostBytes = Infinity) {
    this.#patience = patience;
    this.#mostBytes = mostBytes;
  }

  /** Messages that would be taken at once. */
  get room(): number {
    if (this.#line.length > 0) return 0;
    return this.members.reduce((sum, { buffer, waiting }) => sum + buffer - waiting, 0);
  }

  /** Messages that are not yet taken by their consumers. */
  get waiting(): number {
    return this.#line.length + this.members.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Whether a member has taken the message; waits for that at most so many milliseconds. */
  give(message: Message, milliseconds: number): boolean | Promise<boolean> {
    if (this.#line.length === 0 && this.#take(message)) return true;
    if (milliseconds <= 0 || this.#givenUp || this.members.length === 0) return false;
    if (this.#bytes + message.body.length > this.#mostBytes) return false;
    if (this.#line.length === 0) this.#stillSince = performance.now();
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#expire(waiting), milliseconds);
      const waiting: Waiting = { message, timer, settle };
      this.#line.push(waiting);
      this.#bytes += message.body.length;
    });
  }

  /** To be called when a member has room, or has left. */
  advance(): void {
    for (let next = this.#line[0]; next; next = this.#line[0]) {
      if (this.members.length === 0) this.#settle(next, false);
      else if (this.#take(next.message)) this.#settle(next, true);
      else return;
    }
    this.#givenUp = false;
  }

  join(member: Inbox): void {
    this.members.push(member);
    this.advance();
  }

  leave(member: Inbox): void {
    const index = this.members.indexOf(member);
    if (index >= 0) this.members.splice(index, 1);
    this.advance();
  }

  /** The one of two members at random for whom less waits, and any other where those are full. */
  #take(message: Message): boolean {
    const { members } = this;
    if (members.length <= 1) return this.#taken(members[0], message);
    const one = members[Math.floor(Math.random() * members.length)] as Inbox;
    const other = members[Math.floor(Math.random() * members.length)] as Inbox;
    if (this.#taken(one.waiting <= other.waiting ? one : other, message)) return true;
    return members.some((member) => this.#taken(member, message));
  }

  #taken(member: Inbox | undefined, message: Message): boolean {
    if (!member?.take(message)) return false;
    this.#stillSince = performance.now();
    this.#givenUp = false;
    return true;
  }

  #settle(waiting: Waiting, taken: boolean): void {
    const index = this.#line.indexOf(waiting);
    if (index < 0) return;
    this.#line.splice(index, 1);
    this.#bytes -= waiting.message.body.length;
    clearTimeout(waiting.timer);
    waiting.settle(taken);
  }

  #expire(waiting: Waiting): void {
    this.#settle(waiting, false);
    // A timer may be early by a fraction of a millisecond.
    if (performance.now() - this.#stillSince < this.#patience - 1) return;
    this.#givenUp = true;
    for (const other of [...this.#line]) this.#settle(other, false);
  }
}

/** Gives messages to a subscription in their order, waiting for room at most so many milliseconds; stops at the first that it has none for. */
export async function take(lane: Lane, messages: readonly Message[], wait: number): Promise<Answer> {
  const end = performance.now() + wait;
  let taken = 0;
  for (const message of messages) {
    const given = lane.give(message, wait && end - performance.now());
    if (!(given === true || (await given))) break;
    taken++;
  }
  return { taken, waiting: lane.waiting };
}
