import { createSocket } from 'node:dgram';
import { randomUUID } from 'node:crypto';
import type { Cli } from '../cli.js';
import type { Finding } from './checks.js';

const name = 'multicast';
const group = '224.0.0.251';
const patience = 1_000;

/** Whether services of this machine can find each other by multicast on loopback, and whether the port of mDNS can be shared. */
export async function multicast({ variables }: Cli): Promise<Finding> {
  const network = variables.MICRO_MDNS_INTERFACE || '127.0.0.1';
  const port = Number(variables.MICRO_MDNS_PORT || 5353);
  const refused = await problemOf(
    (socket) => socket.bind({ port, exclusive: false }),
    () => true,
  );
  if (refused) {
    return {
      name,
      result: 'warning',
      finding: `UDP port ${port} cannot be shared (${refused})`,
      advice: 'stop what holds it alone, or set MICRO_MDNS_PORT; until then services find each other through a file',
    };
  }
  const lost = await problemOf(
    (socket) => socket.bind({ port: 0, exclusive: false }),
    (socket) => echo(socket, network),
  );
  if (lost) {
    return {
      name,
      result: 'warning',
      finding: `multicast on ${network} does not arrive (${lost})`,
      advice:
        'allow UDP to 224.0.0.251 in the firewall, or choose MICRO_MDNS_INTERFACE; until then services find each other through a file',
    };
  }
  return { name, result: 'ok', finding: `works on ${network}, UDP port ${port}`, advice: '' };
}

type Socket = ReturnType<typeof createSocket>;

/** Why something with a bound socket did not work; undefined if it did. */
async function problemOf(
  bind: (socket: Socket) => void,
  then: (socket: Socket) => boolean | Promise<boolean>,
): Promise<string | undefined> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject).once('listening', resolve);
      bind(socket);
    });
    return (await then(socket)) ? undefined : 'nothing came back';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'error';
  } finally {
    socket.close();
  }
}

/** Sends a word to the group and waits to hear it. On a port of its own, so that nobody takes it for mDNS. */
function echo(socket: Socket, network: string): Promise<boolean> {
  const word = randomUUID();
  socket.addMembership(group, network);
  socket.setMulticastInterface(network);
  socket.setMulticastLoopback(true);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, patience, false);
    socket.on('message', (message) => {
      if (message.toString() !== word) return;
      clearTimeout(timer);
      resolve(true);
    });
    socket.send(word, socket.address().port, group, (error) => {
      if (!error) return;
      clearTimeout(timer);
      reject(error);
    });
  });
}
