import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { namedEndpoint, parseEndpoint } from '../dynamic/endpoint-words.js';
import { durationMs } from '../dynamic/time-text.js';
import { exitCodes, Failure } from '../failure.js';
import { findService, requireService } from '../resolve.js';
import { checkedAddress } from '../settings.js';
import type { CallSettings } from './connection.js';
import type { ServiceView } from './service-view.js';

export interface CallOptionValues {
  readonly metadata?: readonly string[];
  readonly address?: string;
  readonly timeout?: string;
}

/** Options of `call` and `stream`. */
export function callOptions(command: Command): Command {
  return command
    .option('--metadata <KEY=VALUE>', 'metadata to send; repeat for more', collect)
    .option('--address <HOST:PORT>', 'call this node, not through the proxy')
    .option('--timeout <DURATION>', 'how long to wait, like 30s (default of a call 5s)');
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** `KEY=VALUE` options as a record. Failure for one without `=`. */
export function pairs(values: readonly string[] = [], flag: string): Record<string, string> {
  return Object.fromEntries(
    values.map((value): [string, string] => {
      const at = value.indexOf('=');
      if (at <= 0) throw new Failure(`${flag} takes KEY=VALUE, not ${JSON.stringify(value)}`);
      return [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}

export function callSettings({ metadata, address, timeout }: CallOptionValues): CallSettings {
  return {
    metadata: pairs(metadata, '--metadata'),
    address: address === undefined ? undefined : checkedAddress(address, '--address'),
    timeout: timeout === undefined ? undefined : durationMs(timeout, '--timeout'),
  };
}

/** Where a call goes, and the service as it is registered, where it is. */
export interface FoundEndpoint {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly namespace?: string;
  readonly service?: ServiceView;
}

/**
 * The full method path of an endpoint, and the service it was found in. With an address the service need not be registered, as long as the
 * name says enough: package.Service/Method, or Handler.Method of the package that is named like the service. Failure where it is known to stream.
 */
export async function endpointPath(
  cli: Cli,
  called: { service: string; endpoint: string; address?: string },
): Promise<FoundEndpoint> {
  const { path, handler, method } = parseEndpoint(called.endpoint);
  const found = (service: ServiceView) => {
    const endpoint = namedEndpoint(service, called.endpoint);
    if (endpoint.kind !== 'unary')
      throw new Failure(`${endpoint.name} streams: use \`micro stream ${called.service} ${called.endpoint}\``, {
        exitCode: exitCodes.methodNotFound,
      });
    return { path: endpoint.path, namespace: service.namespace, service };
  };
  if (called.address !== undefined) {
    if (path !== undefined) return { path };
    const service = await findService(called.service, cli.connection).catch(() => undefined);
    if (!service)
      return { path: `/${called.service.replaceAll('-', '_')}.${handler ?? titled(called.service)}/${method}` };
    return found(service);
  }
  return found(await requireService(called.service, cli.connection));
}

function titled(name: string): string {
  const last = name.split('.').at(-1) ?? name;
  return last.replaceAll(/(?:^|[-_])([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
