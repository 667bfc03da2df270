import { patience } from './broker.js';
import { batchBytes } from './frames.js';
import type { Answer } from './lane.js';

/** A message on its way to one subscription or queue. */
export interface Parcel {
  readonly frame: Buffer;
  /** On the monotonic clock: when its publisher waits no longer. */
  readonly deadline: number;
  /** Called once or more: it has been taken, or been given up on. */
  readonly settle: () => void;
  /** Whoever turns up while this is so gets it, too: it waits for that where there is nobody. Default: it does not. */
  readonly isOpen?: () => boolean;
}

/** `gone`: there is nobody, and nothing was taken. `unknown`: it broke off, and may have been taken. */
export type Outcome = Answer | 'gone' | 'unknown';

export interface Posted {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Waits no longer: `unknown`. */
  cancel(): void;
}

/** A subscription elsewhere. */
export interface Member {
  readonly id: string;
  send(frames: readonly Buffer[], wait: number): Posted;
  /** Nothing more will be sent; what is under way goes on. */
  leave(): void;
}

/** What an outlet knows of a member. */
interface Standing {
  readonly member: Member;
  /** What it has not answered yet. */
  posted: Posted | undefined;
  /** Messages that waited there, as it last said. */
  waiting: number;
  /** When it last had no room. */
  fullAt: number;
  /** There is nobody any more, or not at the moment. */
  dead: boolean;
  /** It was taken off the list. */
  removed: boolean;
}

/** What is under way and still waited for. */
interface Current {
  readonly standing: Standing;
  readonly parcels: readonly Parcel[];
}

const mostParcels = 1_000;
/** Milliseconds for which a member that had no room is not asked again while there are others. */
const fullFor = 20;
/** Milliseconds after which another member is asked for room, where none has any. */
const slice = 100;
/** Milliseconds after which a member that does not answer is taken to be stopped, where there are others. */
const answerTimeout = 250;

/**
 * The way from a publisher to those of whom one gets each message: to a queue's members, or to a subscription that is alone. One request is
 * under way at a time, with all the messages that had gathered, and the next goes out when it is known what became of them: so nothing
 * overtakes, and what one member has no room for another gets.
 */
export class Outlet {
  #members: Standing[] = [];
  #line: Parcel[] = [];
  #current: Current | undefined;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  /** When something was last taken, or the line began. */
  #stillSince = 0;
  /** Nothing was taken for as long as patience lasts: what comes is tried, and not waited for, until something is. */
  #givenUp = false;

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  /** Nothing is under way, and nothing waits. */
  get isIdle(): boolean {
    return this.#line.length === 0 && !this.#current;
  }

  push(parcel: Parcel): void {
    if (this.#line.length === 0 && !this.#current) this.#stillSince = performance.now();
    this.#line.push(parcel);
    this.advance();
    this.#watchTime();
  }

  /** To be called when parcels are not open any more. */
  advance(): void {
    if (this.#givenUp && !this.#choose()) this.#drop();
    else this.#pump();
  }

  add(member: Member): void {
    this.#members.push({ member, posted: undefined, waiting: 0, fullAt: -Infinity, dead: false, removed: false });
    this.#givenUp = false;
    this.#pump();
  }

  /** Sends it nothing more. What it is being sent is waited for as ever: it may still take or refuse that. */
  remove(id: string): void {
    const gone = this.#members.find(({ member }) => member.id === id);
    if (!gone) return;
    this.#members = this.#members.filter((one) => one !== gone);
    gone.removed = true;
    gone.member.leave();
    if (this.#current?.standing !== gone) gone.posted?.cancel();
    this.#pump();
  }

  /** Those of them who were gone are there again. */
  revive(isMeant: (member: Member) => boolean): void {
    const back = this.#members.filter(({ dead, member }) => dead && isMeant(member));
    if (back.length === 0) return;
    for (const standing of back) standing.dead = false;
    this.#givenUp = false;
    this.#pump();
  }

  /** What those of them were sent before is waited for no longer: they have lost it, or their answer. */
  release(isMeant: (member: Member) => boolean): void {
    for (const { member, posted } of this.#members) if (isMeant(member)) posted?.cancel();
  }

  #pump(): void {
    if (this.#current || this.#again || this.#line.length === 0) return;
    const standing = this.#choose();
    if (standing) return this.#send(standing);
    // Those who are left do not answer at the moment, or there are none.
    if (this.#members.every(({ dead }) => dead)) this.#drop();
  }

  /** Of two at random the one for whom less waits; those who had no room just now only if nobody is left. */
  #choose(): Standing | undefined {
    const free = this.#members.filter(({ posted, dead }) => !posted && !dead);
    if (free.length <= 1) return free[0];
    const now = performance.now();
    const roomy = free.filter(({ fullAt }) => now - fullAt > fullFor);
    const [one, other] = [oneOf(roomy.length > 0 ? roomy : free), oneOf(roomy.length > 0 ? roomy : free)];
    return one.waiting <= other.waiting ? one : other;
  }

  #send(standing: Standing): void {
    const now = performance.now();
    const others = this.#members.filter(({ dead, posted }) => !dead && !posted).length - 1;
    const left = this.#givenUp ? 0 : Math.max(0, (this.#line[0] as Parcel).deadline - now);
    const full = others > 0 && now - standing.fullAt <= fullFor;
    const wait = others === 0 ? left : full ? Math.min(left, slice) : 0;
    const parcels = this.#batch(full ? 1 : Math.ceil(this.#line.length / (others + 1)));
    const current = { standing, parcels };
    this.#current = current;
    const posted = standing.member.send(
      parcels.map(({ frame }) => frame),
      wait,
    );
    standing.posted = posted;
    // Where there are others, one that does not answer in time is taken to be stopped; what it was sent it may have.
    const late =
      others > 0 ? setTimeout(() => this.#current === current && this.#letGo(), wait + answerTimeout) : undefined;
    void posted.outcome.then((outcome) => {
      clearTimeout(late);
      standing.posted = undefined;
      this.#answered(current, outcome, performance.now() - now < wait / 2);
    });
  }

  #batch(most: number): readonly Parcel[] {
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.#line) {
      bytes += frame.length;
      if (count > 0 && (bytes > batchBytes / 2 || count >= Math.min(most, mostParcels))) break;
      count++;
    }
    return this.#line.splice(0, count);
  }

  /** `early`: before it had waited for as long as it might. */
  #answered(current: Current, outcome: Outcome, early: boolean): void {
    const { standing, parcels } = current;
    const isCurrent = this.#current === current;
    if (isCurrent) this.#current = undefined;
    if (outcome === 'gone') standing.dead = true;
    const taken = outcome === 'gone' ? 0 : outcome === 'unknown' ? parcels.length : outcome.taken;
    for (const parcel of parcels.slice(0, taken)) parcel.settle();
    if (typeof outcome === 'object') this.#learn(standing, { ...outcome, sent: parcels.length });
    // What was given up on nobody else gets.
    if (isCurrent) this.#line.unshift(...parcels.slice(taken));
    if (isCurrent && taken === 0 && outcome !== 'gone') this.#refused(early);
    else this.#pump();
    this.#watchTime();
  }

  /** Somebody is free who had room when he was last asked. */
  #hasRoom(): boolean {
    const now = performance.now();
    return this.#members.some(({ dead, posted, fullAt }) => !dead && !posted && now - fullAt > fullFor);
  }

  #refused(early: boolean): void {
    const alive = this.#members.filter(({ dead }) => !dead);
    if (this.#hasRoom() || alive.length === 0) this.#pump();
    else if (this.#givenUp) this.#drop();
    // One that does not even wait has itself found that nothing is taken there.
    else if (early && alive.length === 1) this.#giveUp();
    else if (early) this.#pumpLater();
    else this.#pump();
  }

  #learn(
    standing: Standing,
    { taken, waiting, sent }: { readonly taken: number; readonly waiting: number; readonly sent: number },
  ): void {
    const now = performance.now();
    standing.waiting = waiting;
    standing.fullAt = taken < sent ? now : -Infinity;
    if (taken === 0) return;
    this.#stillSince = now;
    this.#givenUp = false;
  }

  /** Goes on without the answer to what is under way. */
  #letGo(): void {
    const { standing, parcels } = this.#current as Current;
    this.#current = undefined;
    for (const parcel of parcels) parcel.settle();
    if (standing.removed) standing.posted?.cancel();
    this.#pump();
  }

  #pumpLater(): void {
    this.#again = setTimeout(() => {
      this.#again = undefined;
      this.#pump();
    }, slice / 2);
    this.#watchTime();
  }

  /** One timer, for the next publisher whose patience ends. */
  #watchTime(): void {
    if (this.#timer) return;
    const now = performance.now();
    const isWaited = ({ deadline }: Parcel) => deadline > now;
    const first = this.#current?.parcels.find(isWaited) ?? this.#line.find(isWaited);
    if (!first) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#expire();
        this.#watchTime();
      },
      first.deadline - now + 1,
    );
  }

  #expire(): void {
    const now = performance.now();
    const isLate = ({ deadline }: Parcel) => deadline <= now;
    for (const parcel of [...(this.#current?.parcels ?? []), ...this.#line].filter(isLate)) parcel.settle();
    this.#line = this.#line.filter((parcel) => !isLate(parcel));
    // Who has turned up since is not to blame.
    const isStill = now - this.#stillSince >= patience - 1 && !this.#hasRoom();
    if (isStill) this.#giveUp();
    if (this.#current?.parcels.every(isLate)) this.#letGo();
    else if (!isStill) this.#pump();
  }

  #giveUp(): void {
    this.#givenUp = true;
    this.#drop();
  }

  /** Up to the first that is open: what follows was published later. */
  #drop(): void {
    const open = this.#line.findIndex(({ isOpen }) => isOpen?.());
    for (const parcel of this.#line.splice(0, open < 0 ? this.#line.length : open)) parcel.settle();
  }
}

function oneOf(members: readonly Standing[]): Standing {
  return members[Math.floor(Math.random() * members.length)] as Standing;
}
