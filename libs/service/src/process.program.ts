/** What process.spec.ts starts: by its first argument, a service, or a program that only calls it. */
import { call, client, close, serve } from './index.js';
import { rolling } from './rolling.schema.js';

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  serve: () => serve(rolling, { work: ({ id }, { from }) => ({ id: id + 1, pid: from === 'asker' ? 1 : 0 }) }),
  ask: async () => process.stdout.write(JSON.stringify(await client(rolling).work({ id: 1 }))),
  askAndClose: async () => {
    process.stdout.write(JSON.stringify(await call('rolling', 'Rolling.Work', { id: 1 })));
    await close();
  },
};
void ways[process.argv[2] ?? '']?.();
