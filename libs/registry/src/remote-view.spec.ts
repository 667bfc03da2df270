import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.js';
import type { RegistryEvent, Service } from './registry.js';
import { RemoteView } from './remote-view.js';

const service = (name: string, ...ids: string[]): Service => {
  const nodes = ids.map((id) => ({ id, address: '127.0.0.1:1', metadata: {} }));
  return { name, version: '1', metadata: {}, endpoints: [], nodes };
};

/** A view, and what it has told so far as `type name node node`. */
function follow() {
  const queue = new EventQueue();
  const view = new RemoteView(queue);
  const told: string[] = [];
  void (async () => {
    for await (const event of queue) {
      const nodes = event.type === 'synced' ? [] : [event.service.name, ...event.service.nodes.map(({ id }) => id)];
      told.push([event.type, ...nodes].join(' '));
    }
  })();
  const connect = (epoch: string, grace: number, ...services: Service[]) => {
    view.begin();
    const take = (event: RegistryEvent) => view.take(event, { epoch, grace });
    for (const one of services) take({ type: 'created', service: one });
    take({ type: 'synced' });
    return take;
  };
  const next = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return told.splice(0);
  };
  return { connect, next, told, queue };
}

describe('a watch over several connections', () => {
  it('tells of a new connection only what is different', async () => {
    const { connect, next } = follow();
    connect('x', 0, service('a', '1'), service('b', '1'), service('c', '1'));
    expect(await next()).toEqual(['created a 1', 'created b 1', 'created c 1', 'synced']);
    connect('x', 0, service('b', '1'), service('c', '1', '2'), service('d', '1'));
    expect(await next()).toEqual(['deleted a 1', 'updated c 1 2', 'created d 1']);
  });

  it('tells nothing of a connection that breaks before it is synced', async () => {
    const { connect, next } = follow();
    const take = connect('x', 0, service('a', '1'));
    await next();
    take({ type: 'updated', service: service('a', '1', '2') });
    expect(await next()).toEqual(['updated a 1 2']);
    connect('x', 0, service('a', '1', '2'));
    expect(await next()).toEqual([]);
  });

  it('gives a registry that forgot the time to hear of everybody again', async () => {
    const { connect, next, told } = follow();
    connect('x', 0, service('a', '1', '2'), service('b', '1'));
    await next();
    const take = connect('y', 60, service('a', '2'));
    expect(await next()).toEqual([]);
    take({ type: 'updated', service: service('a', '2', '3') });
    expect(await next()).toEqual(['updated a 1 2 3']);
    // Known again, so believed when it is gone.
    take({ type: 'updated', service: service('a', '3') });
    expect(await next()).toEqual(['updated a 1 3']);
    await expect.poll(() => told, { timeout: 5_000 }).toEqual(['updated a 3', 'deleted b 1']);
  });
});
