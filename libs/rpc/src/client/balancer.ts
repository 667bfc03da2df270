/** What the choice of a node goes by. */
export interface Candidate {
  readonly ejected: boolean;
  /** Calls begun and not finished. */
  readonly load: number;
  /** Milliseconds of `performance.now()`. */
  readonly lastFailure: number;
  /** Milliseconds that its calls have taken of late; the longer ago the last one, the less. 0 if nothing is known. */
  latency(now: number): number;
}

/** Bumped when a node is ejected or comes back, so that balancers know when to look again. */
export interface Health {
  version: number;
}

/**
 * Chooses among the nodes of a service. Of two nodes taken at random the one with fewer calls in flight wins ("the power of two choices":
 * even load without a queue that everybody runs to at once); with equally many, the faster one, if it is at least twice as fast. Nodes come
 * in tiers, nearest first; a tier is left only when all of its nodes are ejected. When every node is, the one whose last failure is the
 * longest ago is tried: an ejected node is a better bet than no node.
 */
export class Balancer<T extends Candidate> {
  readonly #health: Health;
  readonly #random: () => number;
  #tiers: readonly (readonly T[])[] = [];
  #ready: readonly T[] = [];
  #version = -1;

  constructor(health: Health, random: () => number = Math.random) {
    this.#health = health;
    this.#random = random;
  }

  /** Nodes by distance, nearest first. */
  replace(tiers: readonly (readonly T[])[]): void {
    this.#tiers = tiers;
    this.#version = -1;
  }

  /** The node for the next call, `undefined` if there is none but those excluded. */
  pick(now: number, excluded?: (candidate: T) => boolean): T | undefined {
    if (excluded) return this.#pickExcept(now, excluded);
    if (this.#version !== this.#health.version) this.#refresh();
    return this.#ready.length > 0 ? this.#best(this.#ready, now) : this.#lastResort(() => false);
  }

  #refresh(): void {
    this.#version = this.#health.version;
    this.#ready = this.#firstTier((candidate) => !candidate.ejected);
  }

  #pickExcept(now: number, excluded: (candidate: T) => boolean): T | undefined {
    const ready = this.#firstTier((candidate) => !candidate.ejected && !excluded(candidate));
    return ready.length > 0 ? this.#best(ready, now) : this.#lastResort(excluded);
  }

  #firstTier(fit: (candidate: T) => boolean): readonly T[] {
    for (const tier of this.#tiers) {
      const fitting = tier.filter(fit);
      if (fitting.length > 0) return fitting;
    }
    return [];
  }

  #best(candidates: readonly T[], now: number): T {
    const { length } = candidates;
    if (length === 1) return candidates[0] as T;
    const at = Math.floor(this.#random() * length);
    const one = candidates[at] as T;
    const other = candidates[(at + 1 + Math.floor(this.#random() * (length - 1))) % length] as T;
    if (one.load !== other.load) return one.load < other.load ? one : other;
    return one.latency(now) > 2 * other.latency(now) && other.latency(now) > 0 ? other : one;
  }

  #lastResort(excluded: (candidate: T) => boolean): T | undefined {
    let choice: T | undefined;
    for (const tier of this.#tiers) {
      for (const candidate of tier) {
        if (!excluded(candidate) && (!choice || candidate.lastFailure < choice.lastFailure)) choice = candidate;
      }
    }
    return choice;
  }
}

/** Nodes by distance from here: same zone, same region, elsewhere. Where one's own place is not known, all are equally near. */
export function tiersOf<T>(
  nodes: readonly { readonly node: T; readonly zone: string; readonly region: string }[],
  here: { readonly zone: string; readonly region: string },
): T[][] {
  const distance = ({ zone, region }: { zone: string; region: string }) => {
    if (here.region !== '' && region !== here.region) return 2;
    return here.zone !== '' && zone !== here.zone ? 1 : 0;
  };
  const tiers: T[][] = [[], [], []];
  for (const node of nodes) (tiers[distance(node)] as T[]).push(node.node);
  return tiers.filter((tier) => tier.length > 0);
}
