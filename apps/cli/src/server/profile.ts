import type { Settings, Variables } from '../settings.js';

/** What a server runs with where nobody says. */
export function profileOf({ profile }: Settings): string {
  return profile ?? 'local';
}

/** Whether processes of a server may need servers of others: told without reading what such a server needs. */
export function usesBackingServers(profile: string, variables: Variables): boolean {
  const { MICRO_REGISTRY, MICRO_BROKER, MICRO_STORE, MICRO_LOCKS } = variables;
  return profile !== 'local' || [MICRO_REGISTRY, MICRO_BROKER, MICRO_STORE, MICRO_LOCKS].some(Boolean);
}
