import { etcdTool, type EtcdServers, haveTool, startEtcd } from '@micro/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { lockCapabilities } from '../capabilities.js';
import { locksContract } from './locks.contract.js';
import { openLocks } from './open.js';

describe.skipIf(!haveTool(etcdTool))('one etcd', () => {
  let etcd: EtcdServers;
  beforeAll(async () => void (etcd = await startEtcd()));
  afterAll(() => etcd[Symbol.asyncDispose]());

  locksContract('etcd', {
    capabilities: lockCapabilities.etcd,
    open: () => openLocks({ adapter: 'etcd', addresses: etcd.addresses }),
  });
});
