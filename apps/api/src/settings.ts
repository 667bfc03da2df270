import type { Config, Environment } from '@micro/platform';

/** What the gateway is told, and its limits; the token of them in Nest. */
export abstract class Settings {
  /** Where neither the caller nor the host names another. */
  abstract readonly namespace: string;
  abstract readonly version: string;
  /** Bytes of a request's body. */
  abstract readonly bodyBytes: number;
  /** Bytes of all headers of a request. */
  abstract readonly headerBytes: number;
  /** Requests under way at a time. */
  abstract readonly concurrentCalls: number;
  /** Milliseconds that a call may take: where the caller does not say, and at most. */
  abstract readonly timeout: number;
  abstract readonly longestTimeout: number;
  /** Milliseconds until the headers of a request are complete, and until all of it is. */
  abstract readonly headersMs: number;
  abstract readonly requestMs: number;
}

export function settingsOf({ namespace, version }: Environment, { limits }: Config): Settings {
  return {
    namespace,
    version: version ?? 'latest',
    bodyBytes: limits.bodyBytes,
    headerBytes: 16 * 1024,
    concurrentCalls: 10_000,
    timeout: 5_000,
    longestTimeout: 300_000,
    headersMs: 10_000,
    requestMs: 60_000,
  };
}
