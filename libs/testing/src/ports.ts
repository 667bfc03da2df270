import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that systems give to outgoing connections: a server that is killed and started again finds its port still free. */
const range = [10_240, 32_768] as const;

/**
 * Free TCP ports of 127.0.0.1, all different. They are freed before they are returned, so another process can take one in between; a
 * server that can bind port 0 itself should.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries > 100 + 10 * count) throw new Error('127.0.0.1 has no free ports');
    const port = randomInt(...range);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
