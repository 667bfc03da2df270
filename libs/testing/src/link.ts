import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The way to a server, which can be cut for those who take it while all others reach the server as before. */
export async function link(target: string) {
  const pairs = new Set<readonly [Socket, Socket]>();
  let [to, state] = [target, 'open' as 'open' | 'cut' | 'silent' | 'deaf'];
  const server = createServer((incoming) => {
    if (state === 'cut') return incoming.destroy();
    const [host, port] = to.split(':') as [string, string];
    const outgoing = connect(Number(port), host);
    const pair = [incoming, outgoing] as const;
    pairs.add(pair);
    for (const socket of pair) {
      const other = socket === incoming ? outgoing : incoming;
      const passes = () => state === 'open' || (state === 'deaf' && socket === incoming);
      socket.on('data', (data) => passes() && other.write(data));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Connections break, and new ones too. */
    cut: () => {
      state = 'cut';
      drop();
    },
    /** Connections stay, and nothing that is sent arrives. */
    silence: () => {
      state = 'silent';
    },
    /** The server is told everything, and what it says does not arrive. */
    deafen: () => {
      state = 'deaf';
    },
    /** Open again, to another server if one is given. */
    mend: (target = to) => {
      // Where something was lost on the way a connection is of no use any more.
      drop();
      [to, state] = [target, 'open'];
    },
    end: async () => {
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}

export type Link = Awaited<ReturnType<typeof link>>;
