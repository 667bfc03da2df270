/** What outside-process.ts starts: registers what it is told on standard input, says so, and lives until it is ended. */
import { Client, fixedTargets } from '@micro/rpc';
import { openRegistry, type RegistryConfig } from './open.js';
import type { Service } from './registry.js';

export type OutsideConfig =
  | Extract<RegistryConfig, { adapter: 'memory' | 'mdns' | 'etcd' }>
  | { readonly adapter: 'remote'; readonly address: string };
export interface Registrations {
  readonly service: Service;
  readonly ttl: number;
  /** Registers again before it expires. */
  readonly renew?: boolean;
  /** So many services, `name-0`, `name-1`, …; default only the one. */
  readonly copies?: number;
}

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const [config, { service, ttl, renew, copies }] = JSON.parse(Buffer.concat(chunks).toString(), fromText) as [
  OutsideConfig,
  Registrations,
];
const registry = await openRegistry(
  config.adapter === 'remote' ? { ...config, client: new Client({ discovery: fixedTargets(config.address) }) } : config,
);
const services = copies
  ? Array.from({ length: copies }, (_, index) => ({ ...service, name: `${service.name}-${index}` }))
  : [service];
const register = async () => {
  for (const one of services) await registry.register(one, { ttl });
};
await register();
process.stdout.write('registered\n');
setInterval(() => void (renew && register()), ttl / 3);
process.once('SIGTERM', () => void registry.close().then(() => process.exit(0)));

function fromText(_key: string, value: unknown): unknown {
  const base64 = (value as { base64?: string } | null)?.base64;
  return typeof base64 === 'string' ? new Uint8Array(Buffer.from(base64, 'base64')) : value;
}
