import { once } from 'node:events';
import { connect, type ClientHttp2Session, constants } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame, encodeNumber, encodeSettings, frameType } from './frames.js';
import { encodeHeaders } from './hpack.js';
import { echo, Http2Rig, ignored } from './http2.rig.js';
import type { Http2Stream } from './stream.js';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
let rig: Http2Rig | undefined;
const sessions: ClientHttp2Session[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  await rig?.close();
  rig = undefined;
});

async function open(...options: Parameters<typeof Http2Rig.open>): Promise<ClientHttp2Session> {
  rig = await Http2Rig.open(...options);
  const session = connect(`http://127.0.0.1:${rig.port}`);
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly trailers: Record<string, unknown>;
}

function post(session: ClientHttp2Session, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/', ...headers });
    const pieces: Buffer[] = [];
    let status = 0;
    let trailers: Record<string, unknown> = {};
    stream.on('response', (received) => (status = Number(received[':status'])));
    stream.on('trailers', (received) => (trailers = received));
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('error', reject).on('end', () => resolve({ status, body: Buffer.concat(pieces), trailers }));
    stream.end(body);
  });
}

/** A client that writes its frames itself. */
async function raw(...frames: Buffer[]): Promise<{ socket: Socket; received: () => Buffer }> {
  const socket = connectSocket((rig as Http2Rig).port, '127.0.0.1');
  sockets.push(socket);
  const pieces: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => pieces.push(bytes)).on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from(preface, 'latin1'), encodeSettings([]), ...frames]));
  return { socket, received: () => Buffer.concat(pieces) };
}

/** Types of the frames in some bytes, with their flags. */
function framesOf(bytes: Buffer): { type: number; stream: number; payload: Buffer }[] {
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    frames.push({
      type: bytes[at + 3] as number,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return frames;
}

const request = encodeHeaders([':method', 'POST', ':scheme', 'http', ':path', '/']);
const headersFrame = (stream: number, flags = 5) => encodeFrame(frameType.headers, flags, stream, request);
const goaway = (received: Buffer) =>
  framesOf(received)
    .find(({ type }) => type === frameType.goaway)
    ?.payload.readUInt32BE(4);

describe('a request', () => {
  it.each([0, 1, 16_384, 16_385, 100_000, 3_000_000])(
    'of %i bytes is answered, with headers and trailers',
    async (bytes) => {
      const session = await open(echo);
      const body = Buffer.alloc(bytes, 'abcdefg');
      const answer = await post(session, body);
      expect(answer).toMatchObject({ status: 200, trailers: { 'x-bytes': String(bytes || 5) } });
      expect(answer.body.equals(bytes > 0 ? body : Buffer.from('hello'))).toBe(true);
    },
  );

  it('is one of many at a time', async () => {
    const session = await open(echo);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, index) => post(session, Buffer.from(`body ${index}`))),
    );
    expect(answers.map(({ body }) => body.toString())).toEqual(
      Array.from({ length: 500 }, (_, index) => `body ${index}`),
    );
  });

  it('may have headers longer than a frame', async () => {
    let seen: string | undefined;
    const session = await open(
      (stream) => {
        seen = stream.header('x-long');
        echo(stream);
      },
      { headerBytes: 100_000 },
    );
    const long = '~'.repeat(50_000);
    expect((await post(session, Buffer.from('x'), { 'x-long': long })).status).toBe(200);
    expect(seen).toBe(long);
  });

  it('with headers that are too large is refused, and the connection goes on', async () => {
    await open(echo);
    const headers = encodeHeaders([
      ':method',
      'POST',
      ':scheme',
      'http',
      ':path',
      '/',
      'x',
      'y'.repeat(16_000),
      'z',
      'z'.repeat(600),
    ]);
    const pieces = [
      encodeFrame(frameType.headers, 1, 1, headers.subarray(0, 16_000)),
      encodeFrame(frameType.continuation, 4, 1, headers.subarray(16_000)),
    ];
    const { received } = await raw(...pieces, headersFrame(3));
    await until(
      'both are answered',
      () => framesOf(received()).filter(({ type }) => type === frameType.headers).length >= 3,
    );
    expect(goaway(received())).toBeUndefined();
  });
});

describe('flow control', () => {
  it('holds a client to what is read of its request', async () => {
    let stream: Http2Stream | undefined;
    let received = 0;
    const session = await open((opened) => {
      stream = opened;
      opened.listener = { ...ignored, data: (bytes) => (received += bytes.length) };
    });
    const sending = session.request({ ':method': 'POST', ':path': '/' });
    sending.on('error', () => undefined).end(Buffer.alloc(2_000_000));
    await until('the window is full', () => received === 256 * 1024);
    stream?.consumed(200 * 1024);
    await until('more comes', () => received === (256 + 200) * 1024);
  });

  it('holds an answer to what the client reads, and tells when there is room again', async () => {
    let writable = false;
    const session = await open((stream) => {
      stream.listener = { ...ignored, drained: () => ((writable = true), stream.end()) };
      stream.respond([':status', '200']);
      expect(stream.write(Buffer.alloc(1_000_000))).toBe(false);
    });
    const reading = session.request({ ':path': '/' });
    await once(reading, 'response');
    expect(writable).toBe(false);
    let size = 0;
    for await (const piece of reading) size += (piece as Buffer).length;
    expect({ size, writable }).toEqual({ size: 1_000_000, writable: true });
  });

  it('follows a window that the client makes smaller', async () => {
    await open((stream) => {
      stream.listener = ignored;
      stream.respond([':status', '200']);
      stream.write(Buffer.alloc(300));
      stream.end(['x', 'y']);
    });
    const { socket, received } = await raw(encodeSettings([[4, 100]]), headersFrame(1));
    const bytes = () =>
      framesOf(received())
        .filter(({ type, stream }) => type === frameType.data && stream === 1)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    await until('what the window allows has come', () => bytes() === 100);
    // A hundred bytes less than nothing: the next hundred allow none.
    socket.write(Buffer.concat([encodeSettings([[4, 0]]), encodeNumber(frameType.windowUpdate, 1, 150)]));
    await until('fifty more have come', () => bytes() === 150);
    socket.write(encodeNumber(frameType.windowUpdate, 1, 1_000));
    await until(
      'all has come, and the trailers',
      () => bytes() === 300 && framesOf(received()).filter(({ type }) => type === frameType.headers).length === 2,
    );
  });
});

describe('the end', () => {
  it('of a stream that its client takes back is told, once', async () => {
    const closed: boolean[] = [];
    const session = await open(
      (stream) => (stream.listener = { ...ignored, closed: (complete) => closed.push(complete) }),
    );
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => undefined).write('x');
    await until('it has come', () => rig?.connections[0]?.used === true);
    stream.close(constants.NGHTTP2_CANCEL);
    await until('it is told', () => closed.length === 1);
    session.destroy();
    await until('the connection is over', () => rig?.reasons.length === 1);
    expect(closed).toEqual([false]);
  });

  it('of a connection ends its streams', async () => {
    const closed: boolean[] = [];
    const session = await open(
      (stream) => (stream.listener = { ...ignored, closed: (complete) => closed.push(complete) }),
    );
    for (let index = 0; index < 3; index++)
      session
        .request({ ':method': 'POST', ':path': '/' })
        .on('error', () => undefined)
        .write('x');
    await until('they have come', () => rig?.connections[0]?.used === true);
    await until('all three', () => {
      session.destroy();
      return closed.length > 0;
    });
    expect(closed.every((complete) => !complete)).toBe(true);
  });

  it('comes in good order: what has begun is answered, and nothing is taken any more', async () => {
    let finish: () => void = () => undefined;
    const session = await open((stream) => {
      stream.listener = ignored;
      finish = () => stream.answer([':status', '200'], Buffer.from('last'), []);
    });
    const answer = post(session, Buffer.from('x'));
    await until('it has come', () => rig?.connections[0]?.used === true);
    rig?.connections[0]?.drain();
    await once(session, 'goaway');
    finish();
    expect((await answer).body.toString()).toBe('last');
    await until('the connection is closed', () => session.destroyed);
  });

  it('an answer given before the request is complete tells the client to stop', async () => {
    const session = await open((stream) => {
      stream.listener = ignored;
      stream.answer([':status', '413'], Buffer.from('enough'), []);
    });
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => undefined).write(Buffer.alloc(100_000));
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    stream.resume();
    await once(stream, 'close');
    expect({ status: headers[':status'], code: stream.rstCode }).toEqual({ status: 413, code: 0 });
  });
});

describe('an attack', () => {
  const calm = 11;
  it.each([
    [
      'requests taken back at once',
      (index: number) =>
        Buffer.concat([headersFrame(2 * index + 1, 4), encodeNumber(frameType.rstStream, 2 * index + 1, 8)]),
    ],
    ['pings', () => encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8))],
    ['settings', () => encodeSettings([[4, 65_535]])],
    ['priorities', () => encodeFrame(frameType.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1]))],
    ['unknown frames', () => encodeFrame(99, 0, 0, Buffer.alloc(0))],
  ])('by thousands of %s costs its connection', async (_, frame) => {
    await open((stream) => (stream.listener = ignored));
    const { received } = await raw(...Array.from({ length: 4_000 }, (_unused, index) => frame(index)));
    await until('it is told to calm down', () => goaway(received()) === calm);
  });

  it('by empty frames, or by headers without end, costs its connection', async () => {
    await open((stream) => (stream.listener = ignored));
    const empty = await raw(
      headersFrame(1, 4),
      ...Array.from({ length: 4_000 }, () => encodeFrame(frameType.data, 0, 1, Buffer.alloc(0))),
    );
    await until('it is told to calm down', () => goaway(empty.received()) === calm);
    const endless = await raw(
      headersFrame(1, 0),
      ...Array.from({ length: 20 }, () => encodeFrame(frameType.continuation, 0, 1, Buffer.alloc(16_384, 0x82))),
    );
    await until('it is told to calm down, too', () => goaway(endless.received()) === calm);
  });

  it('by asking without reading is held up, and fills no memory', async () => {
    let asked = 0;
    await open((stream) => {
      asked++;
      stream.listener = ignored;
      stream.answer([':status', '200', 'x-large', 'x'.repeat(8_000)], Buffer.alloc(0), []);
    });
    const { socket } = await raw();
    socket.pause();
    for (let index = 0; index < 6_000; index++) socket.write(headersFrame(2 * index + 1));
    let before = -1;
    await until('no more are read', async () => {
      const same = asked > 0 && asked === before;
      before = asked;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return same;
    });
    expect(asked).toBeLessThan(6_000);
    socket.resume();
    await until('all are answered once it reads', () => asked === 6_000);
  });
});

it('lets go of a client that answers no ping', async () => {
  await open(echo, { pingAfterMs: 50, pingTimeoutMs: 50 });
  const { received } = await raw(headersFrame(1));
  await until('it is asked', () => framesOf(received()).some(({ type }) => type === frameType.ping));
  await until('it is let go', () => rig?.reasons.includes('it answered no ping') === true);
  // One that answers stays.
  expect((await post(sessions[0] as ClientHttp2Session, Buffer.from('still there'))).status).toBe(200);
});
