import type { TestPlatform } from '@micro/testing';

/** An instance as `micro status` tells of it. */
export interface Instance {
  readonly id: string;
  readonly pid: number;
  readonly address: string;
  readonly status: string;
  readonly restarts: number;
}

/** What the runtime says about a service's instances. */
export async function instancesOf(platform: TestPlatform, service: string): Promise<Instance[]> {
  const { stdout } = await platform.micro('status', service, '-o', 'json');
  return (JSON.parse(stdout) as { instances: Instance[] }).instances;
}

/** How many of them run. */
export async function runningOf(platform: TestPlatform, service: string): Promise<number> {
  return (await instancesOf(platform, service)).filter(({ status }) => status === 'running').length;
}

/** Addresses of a service's nodes, as the registry has them. */
export async function nodesOf(platform: TestPlatform, service: string): Promise<string[]> {
  const { stdout } = await platform.micro('get', 'service', service, '-o', 'json');
  return (JSON.parse(stdout) as { nodes: { address: string }[] }[]).flatMap(({ nodes }) =>
    nodes.map(({ address }) => address),
  );
}
