import type { Registry } from '@micro/registry';
import type { Logger } from '@micro/telemetry';
import type { LogCollector } from './log-collector.js';
import type { RestartPolicy } from './process-spec.js';

/** What all services of a process runtime have in common. */
export interface Host {
  readonly logs: LogCollector;
  readonly registry: Registry | undefined;
  /** What every service's process is told. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timing: Timing;
  readonly logger: Logger;
  /** Brings what is to be remembered to disk. */
  readonly changed: () => void;
  /** Entries of all builds that run. */
  readonly entriesInUse: () => ReadonlySet<string>;
}

/** All in milliseconds. */
export interface Timing {
  /** Until a service that has not registered counts as failed. Default 60,000. */
  readonly ready: number;
  /** That a program which need not register has to stay up to count as running. Default 1,500. */
  readonly settle: number;
  /** Between SIGTERM and SIGKILL. Default 12,000, less than a supervisor gives the runtime itself. */
  readonly grace: number;
  /** Without another change of a watched source, until it is built again. Default 150. */
  readonly debounce: number;
  readonly restart: RestartPolicy;
}
