import type { Idempotency, MethodKind } from '@micro/proto';

/** One place where a service can be reached. */
export interface Target {
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  /** Whether unary calls may use Connect over HTTP/1.1; otherwise everything goes over gRPC. */
  readonly connect: boolean;
  readonly region: string;
  readonly zone: string;
}

/** What is known of a method before calling it. */
export interface Route {
  readonly service: string;
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
}

/**
 * Where services are, as the client needs to know it: answered from memory on the hot path. The registry block's cache implements it;
 * `fixedTargets()` is the one for known addresses.
 */
export interface Discovery {
  /**
   * Live targets of a service, the same array instance until they change; empty if there are none. A promise only while the answer is
   * not yet in memory.
   */
  targets(service: string, namespace: string): readonly Target[] | Promise<readonly Target[]>;
}

/** Discovery of a single service, or of every service behind one address (a proxy). */
export function fixedTargets(address: string, options: { readonly connect?: boolean } = {}): Discovery {
  const targets: readonly Target[] = [{ id: address, address, connect: options.connect ?? true, region: '', zone: '' }];
  return { targets: () => targets };
}
