import type { Code } from '@micro/errors';

/** Upper bounds in seconds of the latency histogram's buckets. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Side = 'server' | 'client';
export type Outcome = 'ok' | Code;

/** Calls of one method with one outcome: `counts` has one place a bucket, the last for what is above every bound. */
interface Series {
  readonly counts: Float64Array;
  sum: number;
}

/**
 * Counts and times calls, and renders them with the process's own figures (processor, memory, event loop, garbage collection) in the
 * Prometheus text format. Recording is on the path of every call, so it is an array increment; prom-client, which the process figures
 * come from, is loaded with the first rendering.
 */
export class Metrics {
  readonly #series: Record<Side, Map<string, Map<Outcome, Series>>> = { server: new Map(), client: new Map() };
  readonly #inFlight: Record<Side, number> = { server: 0, client: 0 };
  #processMetrics: Promise<{ metrics(): Promise<string> }> | undefined;

  callStarted(side: Side): void {
    this.#inFlight[side]++;
  }

  /** `path` is a method path that exists, never one that a caller made up: series are kept for good. */
  callFinished(side: Side, path: string, outcome: Outcome, seconds: number): void {
    this.#inFlight[side]--;
    let outcomes = this.#series[side].get(path);
    if (!outcomes) this.#series[side].set(path, (outcomes = new Map()));
    let series = outcomes.get(outcome);
    if (!series) outcomes.set(outcome, (series = { counts: new Float64Array(bounds.length + 1), sum: 0 }));
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++;
    (series.counts[bucket] as number)++;
    series.sum += seconds;
  }

  /** Calls begun and not finished. */
  inFlight(side: Side): number {
    return this.#inFlight[side];
  }

  /** Prometheus text format, version 0.0.4. */
  async render(): Promise<string> {
    this.#processMetrics ??= import('prom-client').then(({ collectDefaultMetrics, Registry }) => {
      const register = new Registry();
      collectDefaultMetrics({ register });
      return register;
    });
    const own = (['server', 'client'] as const).map((side) => this.#renderSide(side));
    return `${own.join('')}${await (await this.#processMetrics).metrics()}`;
  }

  #renderSide(side: Side): string {
    const name = `micro_rpc_${side}_duration_seconds`;
    const lines = [
      `# HELP micro_rpc_${side}_in_flight Calls begun and not finished.`,
      `# TYPE micro_rpc_${side}_in_flight gauge`,
      `micro_rpc_${side}_in_flight ${this.#inFlight[side]}`,
      `# HELP ${name} Time of calls, by method and outcome.`,
      `# TYPE ${name} histogram`,
    ];
    for (const [path, outcomes] of this.#series[side]) {
      for (const [outcome, { counts, sum }] of outcomes) {
        const labels = `method="${escaped(path)}",code="${outcome}"`;
        let total = 0;
        counts.forEach((count, index) => {
          total += count;
          lines.push(`${name}_bucket{${labels},le="${bounds[index] ?? '+Inf'}"} ${total}`);
        });
        lines.push(`${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${total}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

function escaped(label: string): string {
  return label.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
