import type { ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { MicroError } from '@micro/errors';
import { afterEach, describe, expect, it } from 'vitest';
import type { Metadata } from '../metadata.js';
import { Echo, echoSchema } from './echo.fixture.js';
import { collect, failure, Rig } from './rig.fixture.js';

const note = echoSchema.message('echo.Note');
const rig = new Rig();
afterEach(() => rig.close());

const frame = (bytes: Uint8Array, flag = 0) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
};

/** Answers headers, the frames, and a status. */
function respond(
  stream: ServerHttp2Stream,
  frames: readonly Buffer[],
  trailers: Record<string, string>,
  headers: Record<string, string> = {},
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const one of frames) stream.write(one);
  stream.end();
}

describe('gRPC', () => {
  it('is what unary calls use where Connect is not spoken', async () => {
    const got: Record<string, unknown> = {};
    const address = (
      await rig.serve({
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
      })
    ).address;
    const echo = rig.client(address, { connect: false, name: 'caller' }).of(Echo);
    const options = {
      metadata: { 'x-mine': 'm' },
      onHeaders: (m: Metadata) => (got['headers'] = m.toJSON()),
      onTrailers: (m: Metadata) => (got['trailers'] = m.toJSON()),
    };
    expect(await echo.say({ text: 'hi' }, options)).toMatchObject({ text: 'hi' });
    expect(got).toMatchObject({
      headers: { 'x-header': ['h'] },
      trailers: { 'x-trailer': ['t'] },
      metadata: { 'x-mine': ['m'], 'micro-from-service': ['caller'] },
      deadline: expect.any(Number),
    });
    expect(await failure(echo.look({}))).toMatchObject({ code: 'aborted', detail: 'no', id: 'x' });
  });

  it('ends unary calls with their deadline', async () => {
    const { address } = await rig.http2(() => undefined);
    expect((await failure(rig.client(address, { connect: false }).of(Echo).say({}, { timeout: 50 }))).code).toBe(
      'deadline_exceeded',
    );
  });

  it('reads compressed messages, and messages in pieces', async () => {
    const message = note.encode({ text: 'x'.repeat(100) });
    const { address } = await rig.http2((stream) => {
      const whole = Buffer.concat([frame(gzipSync(message), 1), frame(message)]);
      respond(
        stream,
        [...whole].map((byte) => Buffer.of(byte)),
        { 'grpc-status': '0' },
        { 'grpc-encoding': 'gzip' },
      );
    });
    expect(await collect(rig.client(address).of(Echo).down({}))).toHaveLength(2);
  });

  it.each<{
    what: string;
    code: string;
    frames?: Buffer[];
    trailers?: Record<string, string>;
    headers?: Record<string, string>;
  }>([
    { what: 'no status', code: 'internal', trailers: { 'x-other': '1' } },
    { what: 'a status that is none', code: 'internal', trailers: { 'grpc-status': 'fine' } },
    {
      what: 'a status that gRPC does not have',
      code: 'unknown',
      trailers: { 'grpc-status': '99', 'grpc-message': 'odd' },
    },
    { what: 'a message cut short', code: 'internal', frames: [frame(Buffer.alloc(10)).subarray(0, 8)] },
    { what: 'an unknown encoding', code: 'internal', headers: { 'grpc-encoding': 'zippy' } },
    { what: 'a message compressed by nothing', code: 'internal', frames: [frame(Buffer.from('x'), 1)] },
    { what: 'HTML', code: 'unknown', headers: { 'content-type': 'text/html' } },
    { what: 'a message that is too large', code: 'resource_exhausted', frames: [frame(Buffer.alloc(5_000_000))] },
  ])('makes of $what a clear error', async ({ code, frames = [], trailers = { 'grpc-status': '0' }, headers = {} }) => {
    const { address } = await rig.http2((stream) => respond(stream, frames, trailers, headers));
    expect(await failure(collect(rig.client(address).of(Echo).down({})))).toMatchObject({
      code,
      detail: expect.stringMatching(/\w/),
    });
  });

  it('reads a status message in percent encoding, and what only looks like it', async () => {
    const { address } = await rig.http2((stream) =>
      respond(stream, [], { 'grpc-status': '9', 'grpc-message': 'caf%C3%A9 100% %zz' }),
    );
    expect(await failure(collect(rig.client(address).of(Echo).down({})))).toMatchObject({
      code: 'failed_precondition',
      detail: 'café 100% %zz',
    });
  });

  it('says unimplemented of a unary answer without a message, or with two', async () => {
    let count = 0;
    const { address } = await rig.http2((stream) =>
      respond(
        stream,
        Array.from({ length: count }, () => frame(new Uint8Array())),
        { 'grpc-status': '0' },
      ),
    );
    const echo = rig.client(address, { connect: false }).of(Echo);
    for (count of [0, 2]) {
      expect((await failure(echo.say({}))).code).toBe('unimplemented');
      expect((await failure(echo.up([{}]))).code).toBe('unimplemented');
    }
  });

  it('opens another connection where the streams of one are used up', async () => {
    const { address, sessions } = await rig.http2(
      (stream) =>
        void stream
          .resume()
          .on('end', () => setTimeout(() => respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' }), 30)),
      { maxConcurrentStreams: 2 },
    );
    const echo = rig.client(address, { connect: false }).of(Echo);
    await echo.say({});
    await Promise.all([1, 2, 3, 4, 5].map(() => echo.say({})));
    expect(sessions.length).toBeGreaterThan(1);
  });

  it('moves to another connection when the service closes one, losing nothing', async () => {
    const { address, sessions } = await rig.http2((stream, session) => {
      if (!session.closed) session.close();
      setTimeout(() => respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' }), 20);
    });
    const echo = rig.client(address, { connect: false }).of(Echo);
    for (let call = 0; call < 5; call++) await Promise.all([echo.say({}), echo.say({})]);
    expect(sessions.length).toBeGreaterThan(4);
  });

  it('sends again what the service refused before it looked at it', async () => {
    let refused = 0;
    const { address } = await rig.http2((stream) => {
      if (refused++ === 0) stream.close(7);
      else respond(stream, [frame(new Uint8Array())], { 'grpc-status': '0' });
    });
    await rig.client(address, { connect: false }).of(Echo).say({});
    expect(refused).toBe(2);
  });

  it('calls a connection lost what is lost', async () => {
    const { address } = await rig.http2((_stream, session) => session.destroy());
    expect(await failure(rig.client(address, { connect: false }).of(Echo).say({}))).toMatchObject({
      code: 'unavailable',
    });
    expect(await failure(collect(rig.client(address).of(Echo).down({})))).toMatchObject({ code: 'unavailable' });
  });
});
