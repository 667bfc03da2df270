import { describe, expect, it } from 'vitest';
import { configOf } from './config.js';
import { readEnvironment } from './env.js';
import type { ProfileName } from './profiles.js';

describe('configOf', () => {
  const config = (source: Record<string, string>) => configOf(readEnvironment(source));

  it('takes the row of the profile', () => {
    expect(config({ MICRO_PROFILE: 'test' }).registry).toEqual({ adapter: 'memory' });
    expect(config({ MICRO_PROFILE: 'service' }).registry).toEqual({ adapter: 'remote', address: '127.0.0.1:8000' });
    expect(config({ MICRO_HOME: '/data' }).registry).toEqual({
      adapter: 'mdns',
      interface: '127.0.0.1',
      port: 5353,
      fallbackFile: '/data/registry.json',
    });
  });

  it('overrides a cell', () => {
    expect(config({ MICRO_REGISTRY: 'remote', MICRO_REGISTRY_ADDRESS: 'r:1' }).registry).toEqual({
      adapter: 'remote',
      address: 'r:1',
    });
    expect(config({ MICRO_PROFILE: 'service', MICRO_RUNTIME: 'process', MICRO_HOME: '/data' }).runtime).toEqual({
      adapter: 'process',
      home: '/data',
    });
  });

  it('keeps and publishes as the profile says: nothing outside of tests, files on a laptop, all through the platform as a service', () => {
    const retention = { age: 86_400_000, bytes: 1_073_741_824 };
    expect(config({ MICRO_PROFILE: 'test' })).toMatchObject({
      store: { adapter: 'memory' },
      blobs: { adapter: 'memory' },
      locks: { adapter: 'memory' },
      broker: { adapter: 'memory' },
      events: { adapter: 'memory', retention },
    });
    expect(config({ MICRO_HOME: '/data' })).toMatchObject({
      store: { adapter: 'file', folder: '/data/store' },
      blobs: { adapter: 'directory', folder: '/data/blobs' },
      locks: { adapter: 'file', folder: '/data/locks' },
      broker: { adapter: 'http', host: '127.0.0.1' },
      events: { adapter: 'log', folder: '/data/events', retention },
    });
    const remote = { adapter: 'remote' };
    expect(config({ MICRO_PROFILE: 'service' })).toMatchObject({
      store: remote,
      blobs: remote,
      locks: remote,
      broker: remote,
      events: remote,
    });
    expect(
      config({
        MICRO_STORE: 'remote',
        MICRO_BROKER: 'memory',
        MICRO_EVENTS_RETENTION_AGE: '31536000000',
        MICRO_EVENTS_RETENTION_BYTES: '1048576',
      }),
    ).toMatchObject({
      store: remote,
      blobs: remote,
      broker: { adapter: 'memory' },
      events: { adapter: 'memory', retention: { age: 31_536_000_000, bytes: 1_048_576 } },
    });
    const wrong = () =>
      config({
        MICRO_STORE: 'redis',
        MICRO_BROKER: 'kafka',
        MICRO_EVENTS_RETENTION_AGE: '1d',
        MICRO_EVENTS_RETENTION_BYTES: '1',
      });
    expect(wrong).toThrow('MICRO_STORE="redis" is not legal; use one of memory, file, cockroach, remote');
    expect(wrong).toThrow('MICRO_BROKER="kafka" is not legal; use one of memory, http, nats, remote');
    expect(wrong).toThrow('MICRO_EVENTS_RETENTION_AGE="1d" is not legal; use a whole number from 1000 to 315360000000');
    expect(wrong).toThrow('MICRO_EVENTS_RETENTION_BYTES="1" is not legal; use a whole number from 1048576 to');
  });

  it('has one limit of messages, which the body of a request to the gateway does not exceed', () => {
    expect(config({}).limits).toEqual({ messageBytes: 4_194_304, bodyBytes: 4_194_304 });
    expect(config({ MICRO_MESSAGE_LIMIT: '16777216' }).limits).toEqual({
      messageBytes: 16_777_216,
      bodyBytes: 16_777_216,
    });
    expect(config({ MICRO_MESSAGE_LIMIT: '16777216', MICRO_API_BODY_LIMIT: '100' }).limits).toEqual({
      messageBytes: 16_777_216,
      bodyBytes: 100,
    });
    expect(() => config({ MICRO_API_BODY_LIMIT: '16777216' })).toThrow(
      'MICRO_API_BODY_LIMIT=16777216 contradicts MICRO_MESSAGE_LIMIT=4194304: a body becomes a message; set MICRO_MESSAGE_LIMIT=16777216',
    );
    expect(() => config({ MICRO_MESSAGE_LIMIT: '1' })).toThrow(
      'MICRO_MESSAGE_LIMIT="1" is not legal; use a whole number from 65536 to',
    );
  });

  it('refuses an address where nobody else could be at one', () => {
    expect(() => config({ MICRO_REGISTRY: 'memory', MICRO_REGISTRY_ADDRESS: 'r:1' })).toThrow(
      'MICRO_REGISTRY_ADDRESS=r:1 contradicts MICRO_REGISTRY=memory',
    );
    // Else it tells where the platform's registry is, for users' services: `micro server` says so to each of its processes.
    expect(config({ MICRO_REGISTRY_ADDRESS: 'r:1' }).registry.adapter).toBe('mdns');
    expect(config({ MICRO_REGISTRY: 'mdns', MICRO_REGISTRY_ADDRESS: 'r:1' }).registry.adapter).toBe('mdns');
  });

  it('asks etcd who runs where, as it is told', () => {
    expect(config({ MICRO_REGISTRY: 'etcd' }).registry).toMatchObject({
      adapter: 'etcd',
      addresses: ['127.0.0.1:2379'],
    });
    const told = config({
      MICRO_REGISTRY: 'etcd',
      MICRO_ETCD_ADDRESS: 'etcd-0:2379, etcd-1:2379,[::1]:2379',
      MICRO_ETCD_USERNAME: 'micro',
      MICRO_ETCD_PASSWORD: 'hush',
      // Where apps/registry is remains to be told to users' services.
      MICRO_REGISTRY_ADDRESS: 'registry:8000',
    });
    expect(told.registry).toMatchObject({
      addresses: ['etcd-0:2379', 'etcd-1:2379', '[::1]:2379'],
      username: 'micro',
      password: 'hush',
    });
  });

  it('has locks where the store is, or elsewhere', () => {
    expect(config({ MICRO_STORE: 'memory' }).locks).toEqual({ adapter: 'memory' });
    expect(config({ MICRO_STORE: 'memory', MICRO_LOCKS: 'file', MICRO_HOME: '/data' }).locks).toEqual({
      adapter: 'file',
      folder: '/data/locks',
    });
    const inEtcd = config({ MICRO_LOCKS: 'etcd', MICRO_ETCD_ADDRESS: 'etcd-0:2379' });
    expect([inEtcd.locks, inEtcd.store.adapter]).toMatchObject([
      { adapter: 'etcd', addresses: ['etcd-0:2379'] },
      'file',
    ]);
    const url = 'postgresql://me:hush@db:26257/micro';
    expect(config({ MICRO_LOCKS: 'cockroach', MICRO_COCKROACH_URL: url }).locks).toMatchObject({
      adapter: 'cockroach',
      url,
    });
    expect(() => config({ MICRO_LOCKS: 'redis' })).toThrow(
      'MICRO_LOCKS="redis" is not legal; use one of memory, file, etcd, cockroach, remote',
    );
  });

  it('publishes through NATS, as it is told, and keeps events in its JetStream', () => {
    const retention = { age: 86_400_000, bytes: 1_073_741_824 };
    expect(config({ MICRO_BROKER: 'nats' })).toMatchObject({
      broker: { adapter: 'nats', servers: ['127.0.0.1:4222'] },
      events: { adapter: 'jetstream', servers: ['127.0.0.1:4222'], replicas: 1, retention },
    });
    const told = config({
      MICRO_BROKER: 'nats',
      MICRO_NATS_ADDRESS: 'nats-0:4222,nats-1:4222',
      MICRO_NATS_TOKEN: 'hush',
      MICRO_NATS_REPLICAS: '3',
    });
    const nats = { servers: ['nats-0:4222', 'nats-1:4222'], token: 'hush' };
    expect(told).toMatchObject({ broker: nats, events: { ...nats, replicas: 3 } });
  });

  it.each(['staging', 'platform'] satisfies ProfileName[])('is at home on shared servers with %s', (profile) => {
    expect(config({ MICRO_PROFILE: profile, MICRO_HOME: '/data' })).toMatchObject({
      registry: { adapter: 'etcd', addresses: ['127.0.0.1:2379'] },
      broker: { adapter: 'nats', servers: ['127.0.0.1:4222'] },
      events: { adapter: 'jetstream', servers: ['127.0.0.1:4222'] },
      store: { adapter: 'cockroach', url: 'postgresql://root@127.0.0.1:26257/defaultdb' },
      blobs: { adapter: 'nats', servers: ['127.0.0.1:4222'], replicas: 1 },
      locks: { adapter: 'cockroach' },
      runtime: { adapter: 'process', home: '/data' },
    });
    const told = config({
      MICRO_PROFILE: profile,
      MICRO_COCKROACH_URL: 'postgresql://micro:hush@cockroach:26257/micro',
      MICRO_COCKROACH_POOL: '7',
      MICRO_COCKROACH_TIMEOUT: '3000',
      MICRO_NATS_REPLICAS: '3',
    });
    expect(told).toMatchObject({
      store: { url: 'postgresql://micro:hush@cockroach:26257/micro', pool: 7, timeout: 3_000 },
      blobs: { replicas: 3 },
    });
  });

  it('names every contradiction at once', () => {
    const contradictory = () =>
      config({
        MICRO_REGISTRY: 'memory',
        MICRO_REGISTRY_ADDRESS: 'r:1',
        MICRO_ETCD_USERNAME: 'micro',
        MICRO_NATS_TOKEN: 'hush',
        MICRO_NATS_NKEY: `SU${'A'.repeat(56)}`,
      });
    expect(contradictory).toThrow(
      [
        'MICRO_REGISTRY_ADDRESS=r:1 contradicts MICRO_REGISTRY=memory, which has no server; leave one out, or set MICRO_REGISTRY=remote',
        'MICRO_ETCD_USERNAME says nothing without MICRO_ETCD_PASSWORD; set both, or neither',
        'MICRO_NATS_TOKEN and MICRO_NATS_NKEY contradict each other: a process is known by one of them; leave out the rest',
      ].join('\n'),
    );
    // Settings of servers that this profile does not use are nobody's concern.
    expect(config({ MICRO_ETCD_ADDRESS: 'etcd:2379' }).registry.adapter).toBe('mdns');
  });
});
