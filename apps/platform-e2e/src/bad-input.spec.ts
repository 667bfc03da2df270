import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { healthy, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

describe('bad input', () => {
  let platform: TestPlatform;
  let service: string;
  beforeAll(async () => {
    platform = await startPlatform();
    await platform.micro('run', `${workspaceRoot}examples/helloworld`);
    const { stdout } = await platform.micro('get', 'service', 'helloworld', '-o', 'json');
    service = (JSON.parse(stdout) as [{ nodes: [{ address: string }] }])[0].nodes[0].address;
  });
  afterAll(() => platform?.stop());
  afterEach(async () => {
    // Whatever came in, everything stays up and goes on serving.
    expect(await healthy([...Object.values(platform.address), service])).toBe(true);
    const answer = await fetch(`http://${platform.address.api}/helloworld/call`, {
      method: 'POST',
      body: '{"name":"Alice"}',
    });
    expect(await answer.json()).toEqual({ msg: 'Hello Alice' });
  });

  const doors = [
    ['gateway', () => platform.address.api, '/helloworld/call'],
    ['proxy', () => platform.address.proxy, '/helloworld.Helloworld/Call'],
    ['service', () => service, '/helloworld.Helloworld/Call'],
  ] as const;

  describe.each(doors)('at the %s', (door, address, path) => {
    const send = (
      body: string | Buffer,
      headers: Record<string, string> = { 'content-type': 'application/json' },
      to: string = path,
    ) => fetch(`http://${address()}${to}`, { method: 'POST', body, headers });
    const errorOf = async (answer: Response) => {
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
      const body = (await answer.json()) as { code: string };
      return { status: answer.status, code: body.code };
    };

    it.each([
      ['cut off', '{"name":"Ali'],
      ['not JSON', 'name=Alice;'],
      ['the wrong type', '{"name":{"a":1}}'],
      ['an array', '[]'],
      ['nested too deep', `{"name":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
    ])('JSON that is %s is an invalid argument', async (_what, body) => {
      expect(await errorOf(await send(body))).toEqual({ status: 400, code: 'invalid_argument' });
    });

    it('invalid UTF-8 is an invalid argument', async () => {
      const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
      expect(await errorOf(await send(body))).toEqual({ status: 400, code: 'invalid_argument' });
    });

    it('keys that poison prototypes do nothing', async () => {
      const answer = await send(
        '{"name":"Alice","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
      );
      expect([200, 400]).toContain(answer.status);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });

    it('a body over the limit is refused', async () => {
      const answer = await send(JSON.stringify({ name: 'x'.repeat(5 * 1024 * 1024) }));
      const { code, status } = await errorOf(answer);
      expect(code).toBe('resource_exhausted');
      expect([413, 429]).toContain(status);
    });

    it('an unknown method is not found or not implemented, as JSON', async () => {
      const { status } = await errorOf(await send('{}', undefined, `${path}Missing`));
      expect([404, 501]).toContain(status);
    });

    it('a name of 10,000 characters is refused clearly', async () => {
      const answer = await send('{}', undefined, `/${'x'.repeat(10_000)}/call`);
      expect([400, 404, 414, 431]).toContain(answer.status);
    });

    it('paths out of the tree are refused', async () => {
      const answer = await raw(address(), 'POST /../../etc/passwd HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}');
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(answer).not.toContain('root:');
    });

    it('10 MB of headers are refused, not read', async () => {
      const answer = await raw(
        address(),
        `POST ${path} HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(10 * 1024 * 1024)}\r\n\r\n`,
      );
      expect(answer === '' || /^HTTP\/1\.1 431 /.test(answer), answer.slice(0, 200)).toBe(true);
    });

    it.each([
      ['a request line', 'NONSENSE\r\n\r\n'],
      ['a header', `POST ${path} HTTP/1.1\r\nhost x\r\n\r\n`],
      ['two lengths', `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
      [
        'a length and chunks',
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`,
      ],
    ])('HTTP with a malformed %s is refused', async (_what, bytes) => {
      expect(await raw(address(), bytes)).toMatch(/^HTTP\/1\.1 400 /);
    });

    if (door !== 'gateway') {
      it('HTTP/2 that breaks the protocol ends the connection only', async () => {
        const answer = await raw(address(), `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(100)}`);
        expect(answer.startsWith('HTTP/1.1')).toBe(false);
      });

      it('protobuf that is none is an invalid argument, in both lanes', async () => {
        const bytes = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        expect(await errorOf(await send(bytes, { 'content-type': 'application/proto' }))).toEqual({
          status: 400,
          code: 'invalid_argument',
        });
        expect(await grpc(address(), path, frame(bytes))).toBe(String(3));
      });

      it('a gRPC message over the limit is refused', async () => {
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(100 * 1024 * 1024, 1);
        expect(await grpc(address(), path, prefix)).toBe(String(8));
      });
    }
  });
});

/** Everything that a server answers to these bytes until it, or we after two seconds of silence, end the connection. */
function raw(address: string, bytes: string): Promise<string> {
  const [host, port] = address.split(':') as [string, string];
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), host, () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.setTimeout(2_000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The grpc-status of a call with exactly these bytes as its body. */
async function grpc(address: string, path: string, body: Buffer): Promise<string> {
  const session = connectHttp2(`http://${address}`);
  session.on('error', () => undefined);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    stream.on('response', (headers) => (status ??= headers['grpc-status']));
    stream.on('trailers', (headers) => (status ??= headers['grpc-status']));
    stream.on('error', () => undefined);
    stream.resume().end(body);
    return await until('the call has a status', () => (typeof status === 'string' ? status : undefined));
  } finally {
    session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }
}
