/** What rolling-restart.spec.ts starts: a service whose answers take a moment and say who gave them. */
import { rolling } from './rolling.schema.js';
import { serve } from './serve.js';

void serve(rolling, {
  work: async ({ id }) => {
    await new Promise((resolve) => setTimeout(resolve, id % 20));
    return { id, pid: process.pid };
  },
});
