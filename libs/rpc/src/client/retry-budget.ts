/** Seconds that a retry is paid from: what was put in longer ago has lapsed. */
const memory = 10;
/** What adding fractions may be off by. */
const rounding = 1e-6;

export interface RetryBudgetOptions {
  /** Retries that a call pays for: 0.2 allows one retry for five calls. Default 0.2. */
  readonly ratio?: number;
  /** Retries a second that are allowed however few the calls. Default 10. */
  readonly perSecond?: number;
}

/**
 * How many retries a client may make, as a share of its calls over the last ten seconds: when many calls fail, retries must not multiply
 * the load that made them fail. Times are in milliseconds of one monotonic clock.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  /** What the calls of each second put in, less what its retries took out. */
  readonly #seconds = new Float64Array(memory);
  #balance = 0;
  #second = 0;

  constructor(options: RetryBudgetOptions = {}) {
    this.#ratio = options.ratio ?? 0.2;
    this.#reserve = (options.perSecond ?? 10) * memory;
  }

  /** Counts a call. */
  deposit(now: number): void {
    this.#advance(now);
    this.#change(this.#ratio);
  }

  /** Pays for a retry; false if it must not be made. */
  withdraw(now: number): boolean {
    this.#advance(now);
    if (this.#balance + this.#reserve < 1 - rounding) return false;
    this.#change(-1);
    return true;
  }

  #change(amount: number): void {
    (this.#seconds[this.#second % memory] as number) += amount;
    this.#balance += amount;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second <= this.#second) return;
    if (second - this.#second >= memory) {
      this.#seconds.fill(0);
    } else {
      for (let at = this.#second + 1; at <= second; at++) this.#seconds[at % memory] = 0;
    }
    this.#second = second;
    // Summed anew so that rounding cannot add up over the life of a process.
    this.#balance = this.#seconds.reduce((sum, amount) => sum + amount, 0);
  }
}
