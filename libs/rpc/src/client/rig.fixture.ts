import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { MicroError } from '@micro/errors';
import type { RpcServer } from '../server/server.js';
import { Client } from './client.js';
import { echoServer, Nodes } from './echo.fixture.js';
import type { ClientOptions } from './options.js';

/** Servers and clients of a test, closed together: `afterEach(() => rig.close())`. */
export class Rig {
  readonly #closers: (() => unknown)[] = [];

  async serve(...args: Parameters<typeof echoServer>): Promise<RpcServer> {
    const server = await echoServer(...args);
    this.#closers.push(() => server.close({ graceMs: 0 }));
    return server;
  }

  /** A client that finds the service `echo` at this address. */
  client(
    address: string,
    { connect = true, ...options }: Partial<ClientOptions> & { readonly connect?: boolean } = {},
  ): Client {
    const client = new Client({ discovery: new Nodes({ address, connect }), ...options });
    this.#closers.push(() => client.close());
    return client;
  }

  /** A plain HTTP server, for answers that no server of ours gives; resolves to its address. */
  async http(listener: RequestListener): Promise<string> {
    const server = createHttpServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** gRPC by hand, likewise. */
  async http2(
    answer: (stream: ServerHttp2Stream, session: ServerHttp2Session) => void,
    settings = {},
  ): Promise<{ address: string; sessions: ServerHttp2Session[] }> {
    const sessions: ServerHttp2Session[] = [];
    const server = createHttp2Server({ settings });
    server.on('session', (session) => sessions.push(session));
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      answer(stream, stream.session as ServerHttp2Session);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#closers.push(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sessions };
  }

  /** What came last goes first. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** The error that a call fails with. */
export async function failure(call: Promise<unknown>): Promise<MicroError> {
  const outcome = await call.then(
    () => new Error('the call should have failed'),
    (thrown: unknown) => thrown,
  );
  if (outcome instanceof MicroError) return outcome;
  throw outcome;
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}
