import type { Target } from '@micro/rpc';
import { describe, expect, it } from 'vitest';
import { withPlatformServices } from './platform-services.js';

const target = (id: string): Target => ({ id, address: '127.0.0.1:1', connect: true, region: '', zone: '' });
const known: Record<string, readonly Target[]> = {
  'micro/runtime': [target('runtime')],
  'micro/blog': [target('blog')],
  'team/orders': [target('orders')],
};
const shared: Record<string, readonly Target[]> = { runtime: known['micro/runtime'] ?? [] };
const found = (service: string, namespace: string) => known[`${namespace}/${service}`] ?? [];
const foundShared = (service: string) => shared[service] ?? [];
type Cache = Parameters<typeof withPlatformServices>[0];

describe.each([
  ['in memory', { targets: found, sharedTargets: foundShared }],
  [
    'still coming',
    {
      targets: (service, namespace) => Promise.resolve(found(service, namespace)),
      sharedTargets: (service) => Promise.resolve(foundShared(service)),
    },
  ],
] satisfies [string, Cache][])('services of a namespace, %s', (_, cache) => {
  const { targets } = withPlatformServices(cache);

  it('are its own first', async () => {
    expect(await targets('orders', 'team')).toBe(known['team/orders']);
    expect(await targets('orders', 'micro')).toEqual([]);
  });

  it('are those of the platform, too, and no other namespace’s', async () => {
    expect(await targets('runtime', 'team')).toBe(known['micro/runtime']);
    expect(await targets('runtime', 'other')).toBe(known['micro/runtime']);
    expect(await targets('orders', 'other')).toEqual([]);
  });

  it('are not what users run in micro', async () => {
    expect(await targets('blog', 'micro')).toBe(known['micro/blog']);
    expect(await targets('blog', 'team')).toEqual([]);
  });
});
