import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { EtcdClient } from '@micro/etcd';
import { etcdTool, type EtcdServers, haveTool, startEtcd, until } from '@micro/testing';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EtcdQueue } from './etcd-queue.js';
import { checkedClaim } from './validation.js';

const timeout = 60_000;
const ttl = 30_000;

/** A way to etcd on which requests are made twice, or answered late, or not. */
class UnevenClient extends EtcdClient {
  /** Whether the answer to each is lost, and it is made again. */
  twice = false;
  /** Called once, after the next request is carried out and before its answer arrives. */
  answering: ((result: unknown) => Promise<void>) | undefined;
  /** Given the next request, which is not made. */
  lose: ((work: (etcd: Etcd3) => Promise<unknown>) => void) | undefined;

  override async call<Result>(work: (etcd: Etcd3) => Promise<Result>): Promise<Result> {
    const { lose } = this;
    this.lose = undefined;
    if (lose) {
      lose(work);
      throw new MicroError('unavailable', 'no answer', { id: 'store' });
    }
    if (this.twice) await super.call(work);
    const result = await super.call(work);
    const { answering } = this;
    this.answering = undefined;
    await answering?.(result);
    return result;
  }
}

describe.skipIf(!haveTool(etcdTool))('the queue of a lock in etcd', { timeout }, () => {
  let servers: EtcdServers;
  let etcd: Etcd3;
  let client: UnevenClient;
  let queue: EtcdQueue;
  /** Of no other test. */
  let name: string;

  beforeAll(async () => {
    servers = await startEtcd();
    etcd = new Etcd3({ hosts: `http://${servers.addresses[0]}` });
  });
  afterAll(async () => {
    etcd.close();
    await servers[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    name = randomUUID();
    client = new UnevenClient(servers, { id: 'store', prefix: '/locks/' });
    queue = new EtcdQueue(client, '/locks/');
  });
  afterEach(() => {
    queue.close();
    client.close();
  });

  const claim = (id: string) => checkedClaim(name, id, { ttl });
  const keys = async () => (await etcd.kv.range(queue.range(claim('any')))).kvs;

  it('is the same when the answer to each request is lost once', async () => {
    client.twice = true;
    const { token } = await queue.takeFree(claim('one'));
    expect(token).toBeGreaterThan(0n);
    const two = await queue.enter(claim('two'));
    const three = await queue.enter(claim('three'));
    if (!two || !three) throw new Error('there is no place in the queue');
    expect(await queue.before(claim('three'), three)).toMatch(/\/two$/);
    expect(await queue.renew(claim('one'))).toBe(true);
    await queue.leave(claim('one'));
    expect(await queue.before(claim('two'), two)).toBe(undefined);
    expect(await queue.promote(claim('two'), two)).toBeGreaterThan(token as bigint);
    await queue.leave(claim('two'));
    await queue.leave(claim('three'));
    expect(await keys()).toEqual([]);
  });

  it('is left by nobody who is given the lock meanwhile', async () => {
    const place = await queue.enter(claim('one'));
    if (!place) throw new Error('there is no place in the queue');
    client.answering = async () => void (await queue.promote(claim('one'), place));
    await queue.leave(claim('one'));
    expect(await keys()).toEqual([]);
  });

  it('has a lock renewed that the same id takes again meanwhile', async () => {
    await queue.takeFree(claim('one'));
    const own = await queue.own(claim('one'));
    if (!own) throw new Error('the lock is not there');
    client.answering = async () => void (await queue.promote(claim('one'), own));
    expect(await queue.renew(claim('one'))).toBe(true);
    await queue.leave(claim('one'));
    expect(await queue.renew(claim('one'))).toBe(false);
  });

  it('is entered, and the lock had, under another lease by who stood still until the first was over', async () => {
    const end = async (lease: unknown) => void (await etcd.leaseClient.leaseRevoke(lease as { ID: string }));
    client.answering = end;
    expect((await queue.takeFree(claim('one'))).token).toBeGreaterThan(0n);
    client.answering = end;
    const place = await queue.enter(claim('two'));
    expect(place?.value.toString()).toBe('waits');
    await queue.leave(claim('one'));
    client.answering = end;
    expect(place && (await queue.promote(claim('two'), place))).toBeGreaterThan(0n);
    expect(await keys()).toHaveLength(1);
  });

  it('gives nobody the lock by a request that is carried out after it was given up on', async () => {
    let late: ((etcd: Etcd3) => Promise<unknown>) | undefined;
    client.answering = async () => {
      client.lose = (work) => (late = work);
    };
    const leases = async () => (await etcd.leaseClient.leaseLeases()).leases.length;
    const before = await leases();
    await expect(queue.takeFree(claim('one'))).rejects.toMatchObject({ code: 'unavailable' });
    await until('its lease is gone', async () => (await leases()) === before);
    await expect(late?.(etcd)).rejects.toThrow('lease');
    expect(await keys()).toEqual([]);
  });
});
