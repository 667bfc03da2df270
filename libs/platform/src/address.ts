export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[::1]:port`; undefined for anything else. */
export function parseAddress(text: string, lowestPort = 0): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || port < lowestPort) return undefined;
  return { host: (match[1] ?? match[2]) as string, port };
}

export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function onLoopback(port: number): Address {
  return { host: '127.0.0.1', port };
}
