import { MicroError } from '@micro/errors';
import type { MethodKind } from '@micro/proto';
import { defaultNamespace, type Provided, RegistryCache } from '@micro/registry';
import { Injectable } from '@nestjs/common';

/** Where a call goes. */
export interface Route {
  /** That of the call, which the service is told; the service itself may be one of `micro`. */
  readonly namespace: string;
  readonly service: string;
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotent: boolean;
}

/** From the path of a method to the service that has it: by what services registered, never by guessing from names. */
@Injectable()
export class Routes {
  readonly #cache: RegistryCache;

  constructor(cache: RegistryCache) {
    this.#cache = cache;
  }

  /**
   * The route of a method path, at once when the namespace has it and its registry is in memory; else that of one of the platform's own
   * services, which run in `micro` and serve every namespace. What users run in `micro` is found from there alone. MicroError `not_found`
   * if no service has the method's service, `unimplemented` if one has it but not the method.
   */
  find(namespace: string | undefined, path: string): Route | Promise<Route> {
    const space = namespace || defaultNamespace;
    return routeOf(this.#cache.endpoint(space, path), space) ?? this.#search(space, path);
  }

  async #search(space: string, path: string): Promise<Route> {
    await this.#cache.ready(space);
    const own = routeOf(this.#cache.endpoint(space, path), space);
    if (own || space === defaultNamespace) return own ?? this.#refuse(space, path);
    await this.#cache.ready(defaultNamespace);
    return routeOf(this.#cache.sharedEndpoint(path), space) ?? this.#refuse(space, path);
  }

  #refuse(namespace: string, path: string): never {
    const prefix = path.slice(0, path.lastIndexOf('/') + 1);
    const owner = this.#cache
      .services(namespace)
      .find(({ endpoints }) => endpoints.some((endpoint) => endpoint.path.startsWith(prefix)));
    if (owner) {
      const methods = owner.endpoints.map((endpoint) => endpoint.path).filter((one) => one.startsWith(prefix));
      throw new MicroError(
        'unimplemented',
        `${shown(path)} is no method of ${owner.name}, which has ${methods.join(', ')}`,
        { id: 'proxy' },
      );
    }
    throw new MicroError(
      'not_found',
      `no service in namespace "${shown(namespace)}" has ${shown(path)}: is it running? micro services lists them`,
      { id: 'proxy' },
    );
  }
}

/** What was found, for a call of a namespace. */
function routeOf(found: Provided | undefined, namespace: string): Route | undefined {
  if (!found) return undefined;
  const { service, endpoint } = found;
  return {
    namespace,
    service: service.name,
    path: endpoint.path,
    kind: endpoint.kind,
    idempotent: endpoint.idempotency !== 'unknown',
  };
}

/** What a caller sent, short enough to be repeated to it. */
function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
