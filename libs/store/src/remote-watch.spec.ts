import { MicroError } from '@micro/errors';
import { describe, expect, it } from 'vitest';
import { RemoteWatch } from './remote-watch.js';
import type { StoreEvent } from './store.js';

const written = (key: string, version: bigint): StoreEvent => ({
  type: 'written',
  record: { key, value: new Uint8Array(), metadata: {}, expiresAt: undefined, version },
});
const deleted = (key: string): StoreEvent => ({ type: 'deleted', key });
const synced: StoreEvent = { type: 'synced' };
const told = (event: StoreEvent) =>
  event.type === 'written'
    ? `${event.record.key}=${event.record.version}`
    : event.type === 'deleted'
      ? `-${event.key}`
      : 'synced';

/** A watch of connections that each bring these events and break; the last one stays. */
function watching(connections: readonly (readonly StoreEvent[])[], signal?: AbortSignal) {
  const state = { ended: 0, connected: 0 };
  async function* connect(stop: AbortSignal) {
    const at = state.connected++;
    yield* connections[at] ?? [];
    if (at < connections.length - 1) throw new MicroError('unavailable', 'broken');
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve));
  }
  return { watch: new RemoteWatch(connect, signal, () => state.ended++), state };
}

describe('a watch over RPC', () => {
  it('tells after a break what changed meanwhile, and nothing else', async () => {
    const { watch } = watching([
      [written('a', 1n), written('b', 2n), written('c', 3n), synced, written('d', 4n), deleted('a')],
      [written('b', 2n)],
      [written('b', 2n), written('c', 5n), written('e', 6n), synced, written('e', 6n), deleted('x'), deleted('b')],
    ]);
    const seen: string[] = [];
    for await (const event of watch) if (seen.push(told(event)) === 10) break;
    expect(seen).toEqual(['a=1', 'b=2', 'c=3', 'synced', 'd=4', '-a', 'c=5', 'e=6', '-d', '-b']);
  });

  it('says synced once, when all that is there has been told', async () => {
    const { watch } = watching([
      [written('a', 1n)],
      [written('a', 1n), written('b', 2n), synced],
      [written('b', 2n), synced, written('c', 3n)],
    ]);
    const seen: string[] = [];
    for await (const event of watch) if (seen.push(told(event)) === 5) break;
    expect(seen).toEqual(['a=1', 'b=2', 'synced', '-a', 'c=3']);
  });

  it('ends by its signal and by its reader, also while it waits', async () => {
    const ending = new AbortController();
    const byReader = watching([[synced]]);
    const bySignal = watching([[synced]], ending.signal);
    for (const { watch } of [byReader, bySignal]) await watch.next();
    const waiting = [byReader.watch.next(), bySignal.watch.next()];
    await byReader.watch.return();
    ending.abort();
    const over = { value: undefined, done: true };
    expect(await Promise.all(waiting)).toEqual([over, over]);
    expect([byReader.state.ended, bySignal.state.ended]).toEqual([1, 1]);
    expect(await watching([[synced]], AbortSignal.abort()).watch.next()).toEqual(over);
  });

  it('fails where asking again changes nothing', async () => {
    const connect = async function* (): AsyncGenerator<StoreEvent> {
      throw new MicroError('permission_denied', 'not yours', { id: 'store' });
    };
    const watch = new RemoteWatch(connect, undefined, () => undefined);
    await expect(watch.next()).rejects.toMatchObject({ code: 'permission_denied' });
    expect((await watch.next()).done).toBe(true);
  });
});
