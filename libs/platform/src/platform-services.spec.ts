import type { Discovery, Target } from '@micro/rpc';
import { describe, expect, it } from 'vitest';
import { withPlatformServices } from './platform-services.js';

const target = (id: string): Target => ({ id, address: '127.0.0.1:1', connect: true, region: '', zone: '' });
const known: Record<string, readonly Target[]> = { 'micro/runtime': [target('runtime')], 'team/orders': [target('orders')], 'team/runtime': [] };
const found = (service: string, namespace: string) => known[`${namespace}/${service}`] ?? [];

describe.each([
  ['in memory', { targets: found }],
  ['still coming', { targets: (service, namespace) => Promise.resolve(found(service, namespace)) }],
] satisfies [string, Discovery][])('services of a namespace, %s', (_, discovery) => {
  const { targets } = withPlatformServices(discovery);

  it('are its own first', async () => {
    expect(await targets('orders', 'team')).toBe(known['team/orders']);
    expect(await targets('orders', 'micro')).toEqual([]);
  });

  it('are those of the platform, too, and no other namespace’s', async () => {
    expect(await targets('runtime', 'team')).toBe(known['micro/runtime']);
    expect(await targets('runtime', 'other')).toBe(known['micro/runtime']);
    expect(await targets('orders', 'other')).toEqual([]);
  });
});
