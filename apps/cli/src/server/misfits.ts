import { configOf, readEnvironment } from '@micro/platform';
import type { Variables } from '../settings.js';

/** Blocks with an adapter each, by the variables that choose it. */
const variables = {
  registry: 'MICRO_REGISTRY',
  broker: 'MICRO_BROKER',
  store: 'MICRO_STORE',
  locks: 'MICRO_LOCKS',
  runtime: 'MICRO_RUNTIME',
} as const;

/** Lines about adapters that are legal, and none for processes which are the platform themselves. MicroError where the variables are not legal. */
export function misfits(profile: string, environment: Variables): string[] {
  const config = configOf(readEnvironment({ ...environment, MICRO_PROFILE: profile }));
  const blocks = Object.keys(variables) as (keyof typeof variables)[];
  const asking = blocks.filter((block) => config[block].adapter === 'remote');
  const problems: string[] = [];
  if (config.registry.adapter === 'memory') {
    problems.push(
      'registry "memory" is each process for itself, and none would find another: set MICRO_REGISTRY=mdns or etcd',
    );
  }
  if (asking.length > 0) {
    problems.push(
      `${listed(asking)} "remote" is for those who call a server, which would ask itself: set MICRO_PROFILE=local or staging, or leave ${listed(asking.map((block) => variables[block]))} out`,
    );
  }
  return problems;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
