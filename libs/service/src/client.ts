import { MicroError } from '@micro/errors';
import type { Platform } from '@micro/platform';
import type { JsonValue, MethodTypes, ServiceDefinition } from '@micro/proto';
import { type CallOptions, type ClientOf, currentCall } from '@micro/rpc';
import { openedPlatform, openPlatform } from './process-platform.js';

export interface ClientDefaults {
  /** Name that the service runs under. Default: the package of its .proto. */
  readonly service?: string;
}

type AnyCall = (request: unknown, options?: CallOptions) => unknown;

/**
 * Calls another service, wherever it runs. Nothing is opened before the first call, so this may stand at the top of a file.
 *
 * ```ts
 * const greeter = client(Greeter);
 * const { msg } = await greeter.greet({ name: 'Alice' }, { timeout: 1_000 });
 * ```
 *
 * A call made while answering one carries on its deadline, trace and namespace. Failures are MicroErrors: `not_found` where no such
 * service is known, `unavailable` where none of its nodes answers.
 */
export function client<M extends MethodTypes>(
  definition: ServiceDefinition<M>,
  defaults: ClientDefaults = {},
): ClientOf<ServiceDefinition<M>> {
  let bound: { readonly platform: Platform; readonly calls: Readonly<Record<string, AnyCall>> } | undefined;
  const callsOf = (platform: Platform) => {
    if (bound?.platform !== platform)
      bound = { platform, calls: platform.client.of(definition, defaults) as Readonly<Record<string, AnyCall>> };
    return bound.calls;
  };
  const entries = definition.methods.map(({ localName, kind }): [string, AnyCall] => {
    const later = kind === 'unary' || kind === 'clientStream' ? laterAnswer : laterAnswers;
    return [
      localName,
      (request, options) => {
        const platform = openedPlatform();
        if (platform) return callsOf(platform)[localName]?.(request, options);
        return later(() => openPlatform().then((opened) => callsOf(opened)[localName]?.(request, options)));
      },
    ];
  });
  return Object.fromEntries(entries) as ClientOf<ServiceDefinition<M>>;
}

/**
 * Calls an endpoint by name with JSON, without its .proto: `call('orders', 'Orders.Create', { item: 'tea' })`. The endpoint may also be
 * given as a method path, `/orders.Orders/Create`. MicroError `not_found` names the endpoints that there are.
 */
export async function call<T extends JsonValue = JsonValue>(
  service: string,
  endpoint: string,
  request: JsonValue = {},
  options: Omit<CallOptions, 'service'> = {},
): Promise<T> {
  const platform = openedPlatform() ?? (await openPlatform());
  const { cache, client, environment } = platform;
  const versions = await cache.service(service, options.namespace ?? currentCall()?.namespace ?? environment.namespace);
  const endpoints = versions.flatMap((version) => version.endpoints);
  if (endpoints.length === 0) throw new MicroError('not_found', `service ${service} is not registered; is it running?`);
  const found = endpoints.find(({ name, path }) => name === endpoint || path === endpoint);
  if (!found) {
    const known = [...new Set(endpoints.map(({ name }) => name))].join(', ');
    throw new MicroError('not_found', `service ${service} has no endpoint ${endpoint}; it has ${known}`);
  }
  if (found.kind !== 'unary')
    throw new MicroError('invalid_argument', `${endpoint} streams; call it with client() and its definition`);
  return (await client.json(service, found.path, request, { ...options, idempotency: found.idempotency })) as T;
}

function laterAnswer(begin: () => Promise<unknown>): unknown {
  return begin();
}

async function* laterAnswers(begin: () => Promise<unknown>): AsyncIterable<unknown> {
  yield* (await begin()) as AsyncIterable<unknown>;
}
