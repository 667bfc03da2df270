import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { versionKey } from './content.js';
import { EventQueue, merged } from './event-queue.js';
import type { RegistryEvent, Service } from './registry.js';

const service = (name: string, revision: number): Service => {
  return { name, version: '1', metadata: { revision: `${revision}` }, endpoints: [], nodes: [] };
};

/** What somebody knows who was told these events. */
function state(events: readonly RegistryEvent[], before: ReadonlyMap<string, Service>): Map<string, Service> {
  const known = new Map(before);
  for (const event of events) {
    if (event.type === 'synced') continue;
    const key = versionKey(event.service);
    expect(known.has(key)).toBe(event.type !== 'created');
    if (event.type === 'deleted') known.delete(key);
    else known.set(key, event.service);
  }
  return known;
}

describe('a consumer that falls behind', () => {
  it('is led to the same end by fewer events', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 40 });
    fc.assert(
      fc.property(fc.subarray(['a', 'b', 'c']), steps, fc.nat(40), (present, changes, syncedAt) => {
        const before = new Map(present.map((name) => [versionKey(service(name, 0)), service(name, 0)]));
        const known = new Map(before);
        const events: RegistryEvent[] = [];
        for (const [revision, [name, there]] of changes.entries()) {
          if (revision === syncedAt) events.push({ type: 'synced' });
          const now = service(name, revision + 1);
          const had = known.has(versionKey(now));
          if (there) events.push({ type: had ? 'updated' : 'created', service: now });
          else if (had) events.push({ type: 'deleted', service: now });
          if (there) known.set(versionKey(now), now);
          else known.delete(versionKey(now));
        }
        expect(state(merged(events), before)).toEqual(state(events, before));
        expect(merged(events).length).toBeLessThanOrEqual(Math.min(events.length, 7));
      }),
    );
  });

  it('costs bounded memory', async () => {
    const queue = new EventQueue();
    for (let revision = 0; revision < 35_000; revision++) {
      queue.push({ type: revision ? 'updated' : 'created', service: service('a', revision) });
    }
    queue.push({ type: 'created', service: service('end', 0) });
    let read = 0;
    for await (const event of queue) {
      read++;
      if (event.type !== 'synced' && event.service.name === 'end') break;
    }
    expect(read).toBeLessThan(10_010);
  });
});

describe('a queue', () => {
  it('serves several who wait at once, in order, and ends all of them', async () => {
    const queue = new EventQueue();
    const reads = [queue.next(), queue.next(), queue.next(), queue.next()];
    queue.push({ type: 'synced' });
    queue.push({ type: 'created', service: service('a', 1) });
    await queue.return();
    expect((await Promise.all(reads)).map(({ value, done }) => (done ? 'done' : value.type))).toEqual([
      'synced',
      'created',
      'done',
      'done',
    ]);
  });

  it('throws the error that ended it once, then is done', async () => {
    const queue = new EventQueue();
    queue.end(new Error('gone'));
    await expect(queue.next()).rejects.toThrow('gone');
    expect(await queue.next()).toEqual({ value: undefined, done: true });
  });
});
