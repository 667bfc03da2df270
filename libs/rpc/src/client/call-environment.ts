import { MicroError } from '@micro/errors';
import type { Metrics } from '@micro/telemetry';
import type { Group } from './directory.js';
import type { RetryBudget } from './retry-budget.js';

/** What all calls of a client share. */
export interface CallEnvironment {
  /** Of the client, as the `id` of the errors that it raises itself. */
  readonly name: string;
  readonly budget: RetryBudget;
  readonly metrics: Metrics | undefined;
  /** Streams under way, to be broken off when the client closes. */
  readonly streams: Set<{ cancel(reason: MicroError): void }>;
  closed: boolean;
}

export function closedError(): MicroError {
  return new MicroError('canceled', 'the client was closed');
}

export function unreachable({ service, peers }: Group, name: string, cause: unknown): MicroError {
  const addresses = [...new Set(peers.map(({ address }) => address))].slice(0, 5).join(', ');
  return new MicroError(
    'unavailable',
    `no node of ${service} can be reached (tried ${addresses}): see whether it runs with \`micro status\``,
    { id: name, cause },
  );
}

export function tooManyCalls({ service, limit }: Group, name: string): MicroError {
  return new MicroError(
    'resource_exhausted',
    `${limit} calls to ${service} are under way, the limit of this client: try again later`,
    { id: name },
  );
}
