import { once } from 'node:events';
import { connect, createServer, type Http2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** The way to an etcd on which watches can fall silent while everything else is answered. */
export async function watchProxy(target: string) {
  const etcd = connect(`http://${target}`);
  const sessions = new Set<Http2Session>([etcd]);
  const watches = new Set<ServerHttp2Stream>();
  const silent = new Set<ServerHttp2Stream>();
  const pass = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    if (headers[':path'] === '/etcdserverpb.Watch/Watch') watches.add(stream);
    const asked = etcd.request({ ...headers, ':authority': target });
    const broken = () => undefined;
    let trailers: IncomingHttpHeaders = {};
    asked.on('response', (answer) => stream.respond(answer, { waitForTrailers: true }));
    asked.on('trailers', (found) => (trailers = found));
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    asked.on('data', (data) => silent.has(stream) || stream.write(data));
    asked.on('end', () => silent.has(stream) || stream.end());
    stream.pipe(asked);
    stream.on('error', broken).on('close', () => {
      for (const all of [watches, silent]) all.delete(stream);
      asked.destroy();
    });
    asked.on('error', broken);
  };
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    isWatched: () => watches.size > 0,
    /** Of watches that there are nothing is heard any more; others that come are as they should be. */
    silence: () => {
      for (const stream of watches) silent.add(stream);
    },
    end: async () => {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
