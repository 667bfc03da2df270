/**
 * 1 KB records in a file, written and then read one by one: `store-load.js micro|bare folder seconds`. `bare` is better-sqlite3 as one would
 * use it by hand, synced with each commit as the store is. Prints one line of JSON: writes and reads a second.
 */
import { openStore } from '@micro/store';
import Sqlite from 'better-sqlite3';

const [side, folder, seconds] = process.argv.slice(2) as [keyof typeof sides, string, string];
const value = new Uint8Array(1024).fill(120);
const keys = Array.from({ length: 1_000 }, (_, index) => `orders/${index}`);

const sides = {
  micro: async () => {
    const store = await openStore({ adapter: 'file', folder });
    return {
      write: (key: string) => store.write({ key, value }),
      read: async (key: string) => (await store.read(key)).value,
      close: () => store.close(),
    };
  },
  bare: async () => {
    const db = new Sqlite(`${folder}/bare.db`);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL)');
    const write = db.prepare<[string, Uint8Array]>('INSERT OR REPLACE INTO records VALUES (?, ?)');
    const read = db.prepare<[string], { value: Uint8Array }>('SELECT value FROM records WHERE key = ?');
    return {
      write: (key: string) => void write.run(key, value),
      read: (key: string) => (read.get(key) as { value: Uint8Array }).value,
      close: () => void db.close(),
    };
  },
};

const { write, read, close } = await sides[side]();
for (const key of keys) await write(key);
const writes = await rate(write);
const reads = await rate(async (key) => {
  const found = await read(key);
  if (found.length !== value.length) throw new Error(`${found.length} bytes under ${key}`);
});
await close();
console.log(JSON.stringify({ writes, reads }));

async function rate(once: (key: string) => unknown): Promise<number> {
  const began = performance.now();
  let done = 0;
  for (let passed = 0; passed < Number(seconds) * 1_000; passed = performance.now() - began) {
    for (let times = 0; times < 20; times++) await once(keys[done++ % keys.length] as string);
  }
  return (done * 1_000) / (performance.now() - began);
}
