import { MicroError } from '@micro/errors';
import { defaultDatabase } from './store.js';

/** The database that a call over RPC means: its namespace's own. Another one may be named from the namespace `micro` alone. */
export function databaseOf(requested: string, namespace: string): string {
  if (requested === '' || requested === namespace) return namespace;
  if (namespace === defaultDatabase) return requested;
  throw new MicroError(
    'permission_denied',
    `namespace "${namespace}" has no right to the database ${JSON.stringify(requested.slice(0, 100))}: leave it out for its own, or call from "${defaultDatabase}"`,
    { id: 'store' },
  );
}
