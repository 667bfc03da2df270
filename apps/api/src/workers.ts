import cluster, { type Worker } from 'node:cluster';
import { MicroError } from '@micro/errors';
import { configOf, fail, ownProcess, readEnvironment, tellReady } from '@micro/platform';
import { createLogger } from '@micro/telemetry';
import { answerReports } from './worker-metrics.js';

const backoff = { first: 200, most: 5_000, forgottenAfter: 10_000 } as const;

/** Whether this process is to run workers instead of the gateway itself (MICRO_API_WORKERS). */
export function wantsWorkers(): boolean {
  try {
    return cluster.isPrimary && readEnvironment().apiWorkers > 1;
  } catch {
    // The bootstrap of the app says what is wrong with the environment.
    return false;
  }
}

/**
 * Runs this program in several processes that share its port, and lives as long as they do. A worker that dies is replaced, after a while
 * that grows with each death; one that dies before all served ends the whole, because the next would die of the same.
 */
export function superviseWorkers(): void {
  const environment = readEnvironment();
  const { log, stop: times } = configOf(environment);
  const { apiWorkers: count } = environment;
  const logger = createLogger({ name: 'api', ...log });
  const grace = times.delay + times.grace + 2_000;
  const workers = new Set<Worker>();
  let ready = 0;
  let stopping = false;
  let pause: number = backoff.first;

  const start = () => {
    if (stopping) return;
    const worker = cluster.fork();
    const begun = Date.now();
    let served = false;
    workers.add(worker);
    worker.on('message', (message: { readonly ready?: boolean; readonly address?: string } | undefined) => {
      if (message?.ready !== true || served) return;
      served = true;
      if (++ready === count) tellReady(message.address ?? '');
    });
    worker.on('exit', (code, signal) => {
      workers.delete(worker);
      if (stopping) return;
      if (!served && ready < count)
        fail(logger, new MicroError('unavailable', 'a worker could not start; its reason is above'));
      if (Date.now() - begun > backoff.forgottenAfter) pause = backoff.first;
      logger.error('a worker died and is replaced', {
        worker: worker.id,
        pid: worker.process.pid,
        code,
        signal,
        after: pause,
      });
      setTimeout(start, pause);
      pause = Math.min(pause * 2, backoff.most);
    });
  };

  const stop = async () => {
    stopping = true;
    const gone = [...workers].map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    const timer = setTimeout(() => [...workers].forEach((worker) => worker.process.kill('SIGKILL')), grace);
    await Promise.all(gone);
    clearTimeout(timer);
  };

  ownProcess({ logger, stop });
  answerReports(workers);
  for (let index = 0; index < count; index++) start();
}
