import type { Settings, Variables } from '../settings.js';

/** What a server runs with where nobody says. */
export function profileOf({ profile }: Settings): string {
  return profile ?? 'local';
}

/** Whether processes of a server may need servers of others: told without reading what such a server needs. */
export function usesBackingServers(profile: string, { MICRO_REGISTRY, MICRO_BROKER, MICRO_STORE }: Variables): boolean {
  return profile !== 'local' || [MICRO_REGISTRY, MICRO_BROKER, MICRO_STORE].some(Boolean);
}
