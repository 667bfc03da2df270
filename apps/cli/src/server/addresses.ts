import { Failure } from '../failure.js';
import { checkedAddress, type Variables } from '../settings.js';
import { addressFlag, platform, type PlatformProcess } from './platform.js';
import { portHolder, refusalOf } from './port-holder.js';

/** `host:port` by process name. */
export type Addresses = Readonly<Record<string, string>>;

/** Where each process will listen: by its flag, else its variable, else its own port on loopback. */
export function addressesOf(flags: Readonly<Record<string, string | undefined>>, variables: Variables): Addresses {
  const entries = platform.map((process): [string, string] => {
    const flag = flags[process.name];
    if (flag !== undefined) return [process.name, checkedAddress(flag, addressFlag(process))];
    const variable = variables[process.variable];
    return [process.name, variable ? checkedAddress(variable, process.variable) : `127.0.0.1:${process.port}`];
  });
  checkDifferent(entries);
  return Object.fromEntries(entries);
}

/** Failure naming every address that cannot be listened on, and who holds it. */
export async function checkFree(addresses: Addresses): Promise<void> {
  const problems = await Promise.all(platform.map((process) => problemOf(process, addresses[process.name]!)));
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0) throw new Failure(found.join('\n'));
}

export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

async function problemOf(process: PlatformProcess, address: string): Promise<string | undefined> {
  const { host, port } = splitAddress(address);
  const refusal = await refusalOf(host, port);
  if (refusal === undefined) return undefined;
  const elsewhere = `start it elsewhere with ${addressFlag(process)} 127.0.0.1:${port === 65_535 ? port - 1 : port + 1000 <= 65_535 ? port + 1000 : port - 1000}`;
  if (refusal !== 'EADDRINUSE') return `${process.name} cannot listen on ${address} (${refusal}): ${elsewhere}`;
  const holder = portHolder(port);
  const who = holder ? `process ${holder.pid} (${holder.command})` : 'a process of another user';
  return `port ${port}, which ${process.name} needs, is taken by ${who}: stop it${holder ? ` with kill ${holder.pid}` : ''}, or ${elsewhere}`;
}

function checkDifferent(entries: readonly [name: string, address: string][]): void {
  const seen = new Map<string, string>();
  for (const [name, address] of entries) {
    const other = seen.get(address);
    if (other !== undefined)
      throw new Failure(`${other} and ${name} cannot both listen on ${address}: give them different addresses`);
    seen.set(address, name);
  }
}
