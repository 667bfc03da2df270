import { etcdTool, type EtcdServers, haveTool, startEtcd } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { openEtcd } from './etcd.js';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';

describe.skipIf(!haveTool(etcdTool))('one etcd', () => {
  let etcd: EtcdServers;
  let worlds = 0;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd[Symbol.asyncDispose]());

  registryContract('etcd', { crossProcess: true }, async () => {
    const config = { adapter: 'etcd', addresses: etcd.addresses, prefix: `/world-${worlds++}/` } as const;
    return {
      open: () => openEtcd(config),
      registerElsewhere: (service, ttl) => outsideProcess(config, { service, ttl }),
      close: async () => undefined,
    };
  });
});
