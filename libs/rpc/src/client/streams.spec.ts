import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { Metadata } from '../metadata.js';
import { Client } from './client.js';
import { Echo, echoSchema, echoServer, Nodes } from './echo.fixture.js';
import type { ClientOptions } from './options.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function echoAt(address: string, options: Partial<ClientOptions> & { connect?: boolean } = {}) {
  const client = new Client({ discovery: new Nodes({ address, connect: options.connect ?? true }), ...options });
  closers.push(() => client.close());
  return client.of(Echo);
}

async function serving(...args: Parameters<typeof echoServer>): Promise<string> {
  const server = await echoServer(...args);
  closers.push(() => server.close({ graceMs: 0 }));
  return server.address;
}

const note = echoSchema.message('echo.Note');
const frame = (bytes: Uint8Array, flag = 0) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
};

/** gRPC by hand: for what no server of ours does. */
async function http2Server(answer: (stream: ServerHttp2Stream, session: ServerHttp2Session) => void, settings = {}): Promise<{ address: string; sessions: ServerHttp2Session[] }> {
  const sessions: ServerHttp2Session[] = [];
  const server: Http2Server = createHttp2Server({ settings });
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    answer(stream, stream.session as ServerHttp2Session);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sessions };
}

/** Answers headers, the frames, and a status. */
function respond(stream: ServerHttp2Stream, frames: readonly Buffer[], trailers: Record<string, string>, headers: Record<string, string> = {}): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const one of frames) stream.write(one);
  stream.end();
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

const failure = async (promise: Promise<unknown>): Promise<MicroError> => {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(MicroError);
  return error;
};

describe('streams', () => {
  it('go both ways in all kinds', async () => {
    const echo = echoAt(await serving());
    expect(await echo.up([{ count: 1 }, { count: 2 }])).toMatchObject({ count: 3 });
    expect((await collect(echo.down({ count: 3 }))).map(({ count }) => count)).toEqual([0, 1, 2]);
    async function* notes() {
      for (const text of ['a', 'b', 'c']) yield { text };
    }
    expect((await collect(echo.both(notes()))).map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  it('answer each message before the next is sent', async () => {
    const echo = echoAt(await serving());
    const heard: string[] = [];
    let next: (() => void) | undefined;
    async function* notes() {
      for (const text of ['ping', 'ping again']) {
        yield { text };
        await new Promise<void>((resolve) => (next = resolve));
      }
    }
    for await (const { text } of echo.both(notes())) {
      heard.push(text);
      next?.();
    }
    expect(heard).toEqual(['ping', 'ping again']);
  });

  it('bring headers first and trailers last', async () => {
    const address = await serving({
      async *down(_request, { responseHeaders, responseTrailers }) {
        responseHeaders.set('x-header', 'h');
        yield {};
        responseTrailers.set('x-trailer-bin', new Uint8Array([7]));
      },
    });
    const order: string[] = [];
    const tell = (name: string) => (metadata: Metadata) => order.push(`${name} ${JSON.stringify(metadata)}`);
    for await (const _ of echoAt(address).down({}, { onHeaders: tell('headers'), onTrailers: tell('trailers') })) order.push('message');
    expect(order).toEqual(['headers {"x-header":["h"]}', 'message', 'trailers {"x-trailer-bin":["Bw=="]}']);
  });

  it('fail with the error of the service, after all that it sent before', async () => {
    const address = await serving({
      async *down({ count }) {
        for (let at = 0; at < count; at++) yield { count: at };
        throw new MicroError('data_loss', 'lost the rest ☹', { id: 'tape', details: [{ type: 'echo.Note', value: note.encode({ text: 'x' }) }] });
      },
    });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { count } of echoAt(address).down({ count: 300 })) {
        seen.push(count);
        // Slower than the sender: the status arrives while messages still wait.
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const error = await failure(reading);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(error).toMatchObject({ code: 'data_loss', detail: 'lost the rest ☹', id: 'tape' });
    expect(error.details).toEqual([{ type: 'echo.Note', value: note.encode({ text: 'x' }) }]);
  });

  it('slow the service down to the reader', async () => {
    let sent = 0;
    const address = await serving({
      async *down() {
        for (; sent < 1_000; sent++) yield { text: 'x'.repeat(10_000) };
      },
    });
    const stream = echoAt(address).down({})[Symbol.asyncIterator]();
    await stream.next();
    let before = -1;
    await until('the service waits', () => {
      const still = sent === before;
      before = sent;
      return still && sent > 0;
    });
    expect(sent).toBeLessThan(500);
    await stream.return?.();
  });

  it('slow the caller down to the service', async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const address = await serving({
      async up(notes) {
        await gate;
        let count = 0;
        for await (const _ of notes) count++;
        return { count };
      },
    });
    let made = 0;
    async function* notes() {
      for (; made < 1_000; made++) yield { text: 'x'.repeat(10_000) };
    }
    const call = echoAt(address).up(notes());
    let before = -1;
    await until('the caller waits', () => {
      const still = made === before && made > 0;
      before = made;
      return still;
    });
    expect(made).toBeLessThan(500);
    release();
    expect(await call).toMatchObject({ count: 1_000 });
  });

  it('are canceled by a reader that goes, also while it waits', async () => {
    const ended: string[] = [];
    const address = await serving({
      async *down({ text }, { signal }) {
        signal.addEventListener('abort', () => ended.push(text));
        yield {};
        if (text === 'waiting') await new Promise(() => undefined);
        for (;;) {
          yield {};
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    });
    const echo = echoAt(address);
    for await (const _ of echo.down({ text: 'break' })) break;
    const waiting = echo.down({ text: 'waiting' })[Symbol.asyncIterator]();
    await waiting.next();
    const pending = waiting.next();
    await waiting.return?.();
    expect(await pending).toEqual({ done: true, value: undefined });
    await until('both handlers have heard', () => ended.length === 2);
  });

  it('are canceled by a signal, a deadline, and the closing of the client', async () => {
    const address = await serving({
      async *down() {
        yield {};
        await new Promise(() => undefined);
      },
    });
    const client = new Client({ discovery: new Nodes(address) });
    const { down } = client.of(Echo);
    const abort = new AbortController();
    const aborted = failure(collect(down({}, { signal: abort.signal })));
    const late = failure(collect(down({}, { timeout: 100 })));
    const closed = failure(collect(down({})));
    await collect(client.of(Echo).both([]));
    abort.abort();
    expect((await aborted).code).toBe('canceled');
    expect((await late).code).toBe('deadline_exceeded');
    await client.close();
    expect((await closed).code).toBe('canceled');
  });

  it('tell the reader what went wrong with the messages to send', async () => {
    let aborted = false;
    const address = await serving({
      async *both(notes, { signal }) {
        signal.addEventListener('abort', () => (aborted = true));
        for await (const one of notes) yield one;
      },
    });
    async function* notes() {
      yield { text: 'one' };
      throw new Error('the disk is gone');
    }
    expect(await failure(collect(echoAt(address).both(notes())))).toMatchObject({ code: 'canceled', detail: expect.stringContaining('the disk is gone') });
    await until('the service has heard', () => aborted);
  });

  it('let go of messages to send when the service ends first', async () => {
    const address = await serving({
      async *both(notes) {
        for await (const one of notes) {
          yield one;
          return;
        }
      },
    });
    let returned = false;
    async function* notes() {
      try {
        for (;;) {
          yield { text: 'more' };
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } finally {
        returned = true;
      }
    }
    expect(await collect(echoAt(address).both(notes()))).toHaveLength(1);
    await until('the messages were let go', () => returned);
  });

  it('begin when they are read, and are nothing before', async () => {
    const address = await serving();
    const echo = echoAt(address);
    void echo.down({ count: 1 });
    const unread = echo.down({ count: 1 })[Symbol.asyncIterator]();
    await unread.return?.();
    expect(await unread.next()).toEqual({ done: true, value: undefined });
  });

  it('are unavailable where no node can be reached', async () => {
    expect(await failure(collect(echoAt('127.0.0.1:1').down({})))).toMatchObject({ code: 'unavailable' });
    const http1 = echoAt('127.0.0.1:1', { connect: false });
    expect(await failure(http1.say({}))).toMatchObject({ code: 'unavailable' });
  });
});

describe('gRPC', () => {
  it('is what unary calls use where Connect is not spoken', async () => {
    const got: Record<string, unknown> = {};
    const address = await serving({
      say: (request, { responseHeaders, responseTrailers, deadline, metadata }) => {
        responseHeaders.set('x-header', 'h');
        responseTrailers.set('x-trailer', 't');
        got['deadline'] = deadline;
        got['metadata'] = metadata.toJSON();
        return request;
      },
      look: () => {
        throw new MicroError('aborted', 'no', { id: 'x' });
      },
    });
    const echo = echoAt(address, { connect: false, name: 'caller' });
    const options = { metadata: { 'x-mine': 'm' }, onHeaders: (m: Metadata) => (got['headers'] = m.toJSON()), onTrailers: (m: Metadata) => (got['trailers'] = m.toJSON()) };
    expect(await echo.say({ text: 'hi' }, options)).toMatchObject({ text: 'hi' });
    expect(got).toMatchObject({ headers: { 'x-header': ['h'] }, trailers: { 'x-trailer': ['t'] }, metadata: { 'x-mine': ['m'], 'micro-from-service': ['caller'] }, deadline: expect.any(Number) });
    expect(await failure(echo.look({}))).toMatchObject({ code: 'aborted', detail: 'no', id: 'x' });
  });

  it('ends unary calls with their deadline', async () => {
    const { address } = await http2Server(() => undefined);
    expect((await failure(echoAt(address, { connect: false }).say({}, { timeout: 50 }))).code).toBe('deadline_exceeded');
  });

  it('reads compressed messages, and messages in pieces', async () => {
    const message = note.encode({ text: 'x'.repeat(100) });
    const { address } = await http2Server((stream) => {
      const whole = Buffer.concat([frame(gzipSync(message), 1), frame(message)]);
      respond(stream, [...whole].map((byte) => Buffer.of(byte)), { 'grpc-status': '0' }, { 'grpc-encoding': 'gzip' });
    });
    expect(await collect(echoAt(address).down({}))).toHaveLength(2);
  });

  it.each<{ what: string; code: string; frames?: Buffer[]; trailers?: Record<string, string>; headers?: Record<string, string> }>([
    { what: 'no status', code: 'internal', trailers: { 'x-other': '1' } },
    { what: 'a status that is none', code: 'internal', trailers: { 'grpc-status': 'fine' } },
    { what: 'a status that gRPC does not have', code: 'unknown', trailers: { 'grpc-status': '99', 'grpc-message': 'odd' } },
    { what: 'a message cut short', code: 'internal', frames: [frame(Buffer.alloc(10)).subarray(0, 8)] },
    { what: 'an unknown encoding', code: 'internal', headers: { 'grpc-encoding': 'zippy' } },
    { what: 'a message compressed by nothing', code: 'internal', frames: [frame(Buffer.from('x'), 1)] },
    { what: 'HTML', code: 'unknown', headers: { 'content-type': 'text/html' } },
    { what: 'a message that is too large', code: 'resource_exhausted', frames: [frame(Buffer.alloc(5_000_000))] },
  ])('makes of $what a clear error', async ({ code, frames = [], trailers = { 'grpc-status': '0' }, headers = {} }) => {
    const { address } = await http2Server((stream) => respond(stream, frames, trailers, headers));
    expect(await failure(collect(echoAt(address).down({})))).toMatchObject({ code, detail: expect.stringMatching(/\w/) });
  });

  it('reads a status message in percent encoding, and what only looks like it', async () => {
    const { address } = await http2Server((stream) => respond(stream, [], { 'grpc-status': '9', 'grpc-message': 'caf%C3%A9 100% %zz' }));
    expect(await failure(collect(echoAt(address).down({})))).toMatchObject({ code: 'failed_precondition', detail: 'café 100% %zz' });
  });

  it('says unimplemented of a unary answer without a message, or with two', async () => {
    let count = 0;
    const { address } = await http2Server((stream) => respond(stream, Array.from({ length: count }, () => frame(new Uint8Array())), { 'grpc-status': '0' }));
    const echo = echoAt(address, { connect: false });
    for (count of [0, 2]) {
      expect((await failure(echo.say({}))).code).toBe('unimplemented');
      expect((await failure(echo.up([{}]))).code).toBe('unimplemented');
    }
  });

  it('opens another connection where the streams of one are used up', async () => {
    const { address, sessions } = await http2Server(
      (stream) => void stream.resume().on('end', () => setTimeout(() => respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' }), 30)),
      { maxConcurrentStreams: 2 },
    );
    const echo = echoAt(address, { connect: false });
    await echo.say({});
    await Promise.all([1, 2, 3, 4, 5].map(() => echo.say({})));
    expect(sessions.length).toBeGreaterThan(1);
  });

  it('moves to another connection when the service closes one, losing nothing', async () => {
    const { address, sessions } = await http2Server((stream, session) => {
      if (!session.closed) session.close();
      setTimeout(() => respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' }), 20);
    });
    const echo = echoAt(address, { connect: false });
    for (let call = 0; call < 5; call++) await Promise.all([echo.say({}), echo.say({})]);
    expect(sessions.length).toBeGreaterThan(4);
  });

  it('sends again what the service refused before it looked at it', async () => {
    let refused = 0;
    const { address } = await http2Server((stream) => {
      if (refused++ === 0) stream.close(7);
      else respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' });
    });
    await echoAt(address, { connect: false }).say({});
    expect(refused).toBe(2);
  });

  it('calls a connection lost what is lost', async () => {
    const { address } = await http2Server((_stream, session) => session.destroy());
    expect(await failure(echoAt(address, { connect: false }).say({}))).toMatchObject({ code: 'unavailable' });
    expect(await failure(collect(echoAt(address).down({})))).toMatchObject({ code: 'unavailable' });
  });
});
