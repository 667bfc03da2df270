import { defaultNamespace } from '@micro/registry';
import type { Discovery, Target } from '@micro/rpc';

/**
 * Where services are for callers of any namespace: in their own; else in `micro`, where the platform's own services run and serve every
 * namespace, told by the call's metadata which.
 */
export function withPlatformServices(discovery: Discovery): Discovery {
  return {
    targets(service, namespace) {
      const own = discovery.targets(service, namespace);
      if (namespace === defaultNamespace) return own;
      const orPlatform = (found: readonly Target[]) => (found.length > 0 ? found : discovery.targets(service, defaultNamespace));
      return own instanceof Promise ? own.then(orPlatform) : orPlatform(own);
    },
  };
}
