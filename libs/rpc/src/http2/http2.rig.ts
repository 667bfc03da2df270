import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Http2Connection, type Http2Options } from './connection.js';
import type { Http2Stream } from './stream.js';

/** A server that is nothing but our side of HTTP/2, for what its tests do with requests. */
export class Http2Rig {
  readonly connections: Http2Connection[] = [];
  readonly reasons: (string | undefined)[] = [];
  readonly #sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(request: (stream: Http2Stream) => void, options: Partial<Http2Options> = {}): Promise<Http2Rig> {
    const server = createServer();
    const rig = new Http2Rig(server);
    server.on('connection', (socket) => {
      rig.#sockets.push(socket);
      const tooLarge = (stream: Http2Stream) => {
        stream.listener = ignored;
        stream.respond([':status', '431'], { end: true });
      };
      const closed = (reason: string | undefined) => void rig.reasons.push(reason);
      rig.connections.push(
        new Http2Connection(socket, {
          request,
          tooLarge,
          headerBytes: 16_384,
          pingAfterMs: 30_000,
          pingTimeoutMs: 10_000,
          closed,
          ...options,
        }),
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return rig;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const ignored = { data: () => undefined, end: () => undefined, closed: () => undefined };

/** Answers every request with its body, or with a greeting if it has none. */
export function echo(stream: Http2Stream): void {
  const pieces: Buffer[] = [];
  stream.listener = {
    data: (bytes) => {
      pieces.push(bytes);
      stream.consumed(bytes.length);
    },
    end: () => {
      const body = pieces.length > 0 ? Buffer.concat(pieces) : Buffer.from('hello');
      stream.answer([':status', '200', 'content-type', 'text/plain'], body, ['x-bytes', String(body.length)]);
    },
    closed: () => undefined,
  };
}
