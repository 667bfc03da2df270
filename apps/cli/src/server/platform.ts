/** One process of the platform, as `micro server` starts it. */
export interface PlatformProcess {
  /** Name of the app, of its bundle and of the service that it registers. */
  readonly name: string;
  /** `127.0.0.1` and this port, unless told otherwise. */
  readonly port: number;
  /** Variable, and by its name the flag, that moves it elsewhere. */
  readonly variable: string;
  /** What it does, for the table of addresses. */
  readonly purpose: string;
  /** Stopped before these. All are started at once: each waits by itself for what it needs. */
  readonly dependsOn: readonly string[];
}

/** The table that everything about the platform's processes is read from, in the order of starting. */
export const platform: readonly PlatformProcess[] = [
  { name: 'registry', port: 8000, variable: 'MICRO_REGISTRY_ADDRESS', purpose: 'who runs where', dependsOn: [] },
  {
    name: 'broker',
    port: 8003,
    variable: 'MICRO_BROKER_ADDRESS',
    purpose: 'messages and events',
    dependsOn: ['registry'],
  },
  {
    name: 'store',
    port: 8002,
    variable: 'MICRO_STORE_ADDRESS',
    purpose: 'records, blobs and locks',
    dependsOn: ['registry'],
  },
  // What it runs ends with it, and may keep and publish until then.
  {
    name: 'runtime',
    port: 8088,
    variable: 'MICRO_RUNTIME_ADDRESS',
    purpose: 'runs services',
    dependsOn: ['registry', 'broker', 'store'],
  },
  {
    name: 'proxy',
    port: 8081,
    variable: 'MICRO_PROXY_ADDRESS',
    purpose: 'gRPC and Connect; what micro talks to',
    dependsOn: ['registry', 'runtime'],
  },
  {
    name: 'api',
    port: 8080,
    variable: 'MICRO_API_ADDRESS',
    purpose: 'HTTP and JSON',
    dependsOn: ['registry', 'runtime'],
  },
];

/** `MICRO_API_ADDRESS` is also `--api-address`. */
export function addressFlag({ name }: PlatformProcess): string {
  return `--${name}-address`;
}
