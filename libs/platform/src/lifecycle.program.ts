/** What lifecycle.spec.ts starts: a process that owns itself and, by its first argument, comes to one end or another. */
import { MicroError } from '@micro/errors';
import { createLogger } from '@micro/telemetry';
import { ownProcess, tellReady } from './lifecycle.js';

const ends: Readonly<Record<string, () => Promise<void>>> = {
  clean: async () => void process.stderr.write('stopped in good order\n'),
  slow: () => new Promise(() => undefined),
  failing: () => Promise.reject(new Error('cannot stop')),
};
const faults: Readonly<Record<string, () => void>> = {
  throwing: () => {
    throw new Error('a bug');
  },
  rejecting: () =>
    void Promise.reject(new MicroError('unavailable', 'port 1 is in use', { cause: { code: 'EADDRINUSE' } })),
};

const end = process.argv[2] ?? 'clean';

function begin(): void {
  ownProcess({ logger: createLogger({ name: 'test' }), stop: ends[end] ?? (async () => undefined) });
  tellReady('127.0.0.1:1');
  const fault = faults[end];
  if (fault) setImmediate(fault);
}

// Something to live for.
setInterval(() => undefined, 1_000);
// Loaded so slowly that the parent is gone when it begins.
if (end === 'late') process.once('disconnect', () => setImmediate(begin));
else begin();
