import { defaultNamespace, type RegistryCache } from '@micro/registry';
import type { Discovery, Target } from '@micro/rpc';

/**
 * Where services are for callers of any namespace: in their own; else among the platform's own services, which run in `micro` and serve
 * every namespace, told by the call's metadata which. What users run in `micro` is found from there alone.
 */
export function withPlatformServices(cache: Pick<RegistryCache, 'targets' | 'sharedTargets'>): Discovery {
  return {
    targets(service, namespace) {
      const own = cache.targets(service, namespace);
      if (namespace === defaultNamespace) return own;
      const orPlatform = (found: readonly Target[]) => (found.length > 0 ? found : cache.sharedTargets(service));
      return own instanceof Promise ? own.then(orPlatform) : orPlatform(own);
    },
  };
}
