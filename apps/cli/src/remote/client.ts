import { Client, fixedTargets } from '@micro/rpc';

/** A client that finds every service behind one proxy. Apart, because it is slow to load and not every command calls. */
export function proxyClient(address: string, namespace: string): Client {
  return new Client({ discovery: fixedTargets(address), name: 'micro-cli', namespace });
}
