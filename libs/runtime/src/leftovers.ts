import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, signalGroup } from './process-identity.js';
import { holderOf, readState, type SavedInstance, stateFolder } from './state-file.js';

/**
 * Ends the processes that the process runtime of this home has left: for who stops a platform and cannot be sure that its runtime was alive to do
 * so. SIGTERM, and three seconds later SIGKILL. A runtime that is alive is left alone, and so is what it runs. Gives how many were ended.
 */
export async function endLeftovers(home: string): Promise<number> {
  if (holderOf(stateFolder(home)) !== undefined) return 0;
  const left = (readState(stateFolder(home))?.services ?? []).flatMap(({ instances }) => instances).filter(isLiving);
  await Promise.all(left.map(endLeftover));
  return left.length;
}

export async function endLeftover({ state: { pid, identity } }: SavedInstance): Promise<void> {
  signalGroup(pid, 'SIGTERM');
  signalGroup(pid, 'SIGCONT');
  for (let waited = 0; waited < 3_000 && isAlive(pid, identity); waited += 50) await delay(50);
  if (isAlive(pid, identity)) signalGroup(pid, 'SIGKILL');
}

export function isLiving({ state: { pid, identity } }: SavedInstance): boolean {
  return pid > 0 && isAlive(pid, identity);
}
