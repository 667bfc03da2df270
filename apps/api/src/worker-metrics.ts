import cluster, { type Worker } from 'node:cluster';

/** Between a worker and its supervisor: one worker asks for all, the supervisor asks each. */
interface Report {
  readonly micro: 'all metrics?' | 'metrics?' | 'metrics';
  readonly id: number;
  readonly text?: string;
}

/** Milliseconds that a worker is waited for; one that is busy or dying is left out. */
const patience = 1_000;

/**
 * Metrics of all workers as if they were one process: a scrape reaches any of them, and must not see counters of another the next time. In a
 * process without siblings only its own.
 */
export function metricsOfAll(own: () => Promise<string>): () => Promise<string> {
  if (!cluster.isWorker) return own;
  const waiting = new Map<number, (text: string) => void>();
  let last = 0;
  process.on('message', (message: Report | undefined) => {
    if (message?.micro === 'metrics?') {
      // One that cannot is left out, as one that is slow.
      own().then(
        (text) => process.send?.({ micro: 'metrics', id: message.id, text } satisfies Report),
        () => undefined,
      );
    }
    if (message?.micro !== 'metrics') return;
    waiting.get(message.id)?.(message.text ?? '');
    waiting.delete(message.id);
  });
  return () =>
    new Promise((resolve) => {
      const id = ++last;
      waiting.set(id, resolve);
      process.send?.({ micro: 'all metrics?', id } satisfies Report);
    });
}

/** In the supervisor: answers the workers that ask for everybody's metrics. */
export function answerReports(workers: ReadonlySet<Worker>): void {
  let last = 0;
  cluster.on('message', (asking: Worker, message: Report | undefined) => {
    if (message?.micro !== 'all metrics?') return;
    const reports = [...workers].filter((worker) => worker.isConnected()).map((worker) => reportOf(worker, ++last));
    void Promise.all(reports).then((texts) => {
      if (asking.isConnected()) asking.send({ micro: 'metrics', id: message.id, text: summed(texts) } satisfies Report);
    });
  });
}

function reportOf(worker: Worker, id: number): Promise<string> {
  return new Promise((resolve) => {
    const done = (text: string) => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      resolve(text);
    };
    const onMessage = (message: Report | undefined) => {
      if (message?.micro === 'metrics' && message.id === id) done(message.text ?? '');
    };
    const timer = setTimeout(() => done(''), patience);
    worker.on('message', onMessage);
    worker.send({ micro: 'metrics?', id } satisfies Report);
  });
}

/** Figures that are no sum over processes: of these the greatest is told. */
const notSums = /start_time|lag|version|max_fds/;

/** Adds up texts in the Prometheus format, series by series, the lines of each metric together as the format wants them. */
export function summed(texts: readonly string[]): string {
  const metrics = new Map<string, Metric>();
  for (const text of texts) {
    let metric = metricOf(metrics, '');
    for (const line of text.split('\n')) {
      const [, name] = /^# (?:HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (name !== undefined) {
        metric = metricOf(metrics, name);
        metric.comments.add(line);
      } else if (line !== '' && !line.startsWith('#')) {
        const space = line.lastIndexOf(' ');
        const series = line.slice(0, space);
        const value = Number(line.slice(space + 1));
        const before = metric.series.get(series);
        metric.series.set(
          series,
          before === undefined ? value : notSums.test(series) ? Math.max(before, value) : before + value,
        );
      }
    }
  }
  const lines = [...metrics.values()].flatMap(({ comments, series }) => [
    ...comments,
    ...[...series].map(([name, value]) => `${name} ${value}`),
  ]);
  return `${lines.join('\n')}\n`;
}

interface Metric {
  readonly comments: Set<string>;
  readonly series: Map<string, number>;
}

function metricOf(metrics: Map<string, Metric>, name: string): Metric {
  let metric = metrics.get(name);
  if (!metric) metrics.set(name, (metric = { comments: new Set(), series: new Map() }));
  return metric;
}
