import { setTimeout as sleep } from 'node:timers/promises';
import { type Handlers, logger, MicroError, table, topic } from '@micro/service';
import type { Level, Stock } from '../proto/stock.micro.js';

/** That something has been decided, and how. */
interface Note {
  readonly done: boolean;
}

/** One table, because a transaction changes one table: under `level/…` what there is, under `order/…` and `delivery/…` what was done. */
const levels = table<Level>('stock');
const notes = table<Note>('stock');
/** For whoever looks on at the moment, a dashboard; nobody has to. */
const changed = topic<Level>('stock.levels');

export const handlers: Handlers<typeof Stock> = {
  async restock({ delivery, item, quantity }) {
    demand(delivery, item, quantity);
    const { level } = await once(`delivery/${delivery}`, item, (before) => ({
      ...before,
      available: before.available + quantity,
    }));
    return level;
  },

  async reserve({ order, item, quantity }) {
    demand(order, item, quantity);
    const { done } = await once(`order/${order}`, item, ({ available, reserved }) =>
      available < quantity ? undefined : { item, available: available - quantity, reserved: reserved + quantity },
    );
    return { reserved: done };
  },

  async look({ item }) {
    const level = await levels.find(`level/${item}`);
    if (!level) throw new MicroError('not_found', `there has never been any ${item}: restock it`);
    return level.value;
  },
};

/**
 * Changes the level of an item, once for each name: the new level and the note that it was done are written in one transaction, and only if
 * nobody has written either in between. So neither is there without the other, and whoever repeats it finds the note. `change` gives undefined
 * for what cannot be done; that is decided once, too.
 */
async function once(
  name: string,
  item: string,
  change: (before: Level) => Level | undefined,
): Promise<Note & { level: Level }> {
  const key = `level/${item}`;
  for (;;) {
    const [before, known] = await Promise.all([levels.find(key), notes.find(name)]);
    const level = before?.value ?? { item, available: 0, reserved: 0 };
    if (known) return { ...known.value, level };
    const after = change(level);
    const ifVersion = before?.version ?? 0n;
    try {
      await levels.transact([
        { type: 'write', record: await notes.encode(name, { done: after !== undefined }), ifVersion: 0n },
        after
          ? { type: 'write', record: await levels.encode(key, after), ifVersion }
          : { type: 'check', key, ifVersion },
      ]);
      if (after) tell(after);
      return { done: after !== undefined, level: after ?? level };
    } catch (error) {
      if (!(error instanceof MicroError) || error.code !== 'aborted') throw error;
      // Somebody was quicker: decide again, by what there is now.
      await sleep(Math.random() * 10);
    }
  }
}

/** Not waited for: what the shop does never depends on who looks on. */
function tell(level: Level): void {
  changed.publish(level).catch((error: unknown) => logger.debug('nobody could be told', { error }));
}

function demand(name: string, item: string, quantity: number): void {
  if (!name || !item) throw new MicroError('invalid_argument', 'say for which order or delivery, and which item');
  if (quantity < 1 || quantity > 1_000_000) throw new MicroError('invalid_argument', 'quantity must be 1 to 1,000,000');
}
