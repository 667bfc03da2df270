import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerName } from '../http-fields.js';
import { MalformedResponse, ResponseReader } from './http-response.js';

const limits = { headerBytes: 1_000, bodyBytes: 10_000 };

/** Reads an answer in pieces that end at the given places; undefined if it is not complete. */
function read(text: string, cuts: readonly number[] = []): ResponseReader | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new ResponseReader(limits);
  let from = 0;
  let complete = false;
  for (const cut of [...cuts, bytes.length]) {
    // As a socket does it: always in the same memory.
    const piece = Buffer.from(bytes.subarray(from, cut));
    if (piece.length > 0) complete = reader.read(piece);
    piece.fill(0);
    from = cut;
  }
  return complete || reader.ended() ? reader : undefined;
}

const answer = (head: readonly string[], body = '') => `${['HTTP/1.1 200 OK', ...head].join('\r\n')}\r\n\r\n${body}`;

describe('a response', () => {
  it.each([
    ['with a length', answer(['Content-Type: application/json', 'Content-Length: 2'], '{}'), '{}'],
    ['without a body', answer(['content-length: 0']), ''],
    [
      'in chunks',
      answer(['Transfer-Encoding: Chunked'], '3\r\nabc\r\nA;x="y"\r\n0123456789\r\n0\r\n\r\n'),
      'abc0123456789',
    ],
    ['in chunks, with trailers', answer(['transfer-encoding: chunked'], '1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n'), 'x'],
    ['that ends with the connection', answer([], 'to the end'), 'to the end'],
    [
      'after interim ones',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${answer(['content-length: 1'], 'x')}`,
      'x',
    ],
    ['with a length given twice alike', answer(['content-length: 1', 'Content-Length: 1'], 'x'), 'x'],
  ])('is read %s, however it is cut', (_, text, body) => {
    expect(read(text)?.body.toString('latin1')).toBe(body);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
        const reader = read(
          text,
          cuts.sort((one, other) => one - other),
        );
        expect(reader?.status).toBe(200);
        expect(reader?.body.toString('latin1')).toBe(body);
      }),
    );
  });

  it('has every byte of its body', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 5_000 }),
      fc.array(fc.nat(5_100), { maxLength: 5 }),
      (body, cuts) => {
        const text = answer([`content-length: ${body.length}`], Buffer.from(body).toString('latin1'));
        const places = cuts.map((cut) => Math.min(cut, text.length)).sort((one, other) => one - other);
        expect(read(text, places)?.body).toEqual(Buffer.from(body));
      },
    );
    fc.assert(property);
  });

  it('gives headers in lower case, without those of the connection', () => {
    const reader = read(
      answer([
        'Content-Type: \t a/b \t',
        'X-One: ü',
        'x-one: 2',
        'x-empty:',
        'Date: now',
        'Connection: keep-alive',
        'Keep-Alive: max=5, timeout=7',
        'content-length: 0',
      ]),
    );
    expect(reader?.headers).toEqual(['content-type', 'a/b', 'x-one', 'ü', 'x-one', '2', 'x-empty', '']);
    expect(reader).toMatchObject({ reusable: true, keepAliveMs: 7_000 });
  });

  it.each([
    ['says so', answer(['Connection: foo, Close', 'content-length: 0'])],
    ['speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['has no length', answer([])],
  ])('leaves a connection that cannot be used again if the peer %s', (_, text) => {
    expect(read(text)?.reusable).toBe(false);
  });

  it('has no body if its status says so', () => {
    expect(read('HTTP/1.1 204 No Content\r\n\r\n')).toMatchObject({ status: 204, reusable: true });
    expect(read('HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n')).toMatchObject({ status: 304 });
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['interim responses without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17)],
    ['two lengths', answer(['content-length: 1', 'content-length: 2'], 'x')],
    ['a list as length', answer(['content-length: 1, 1'], 'x')],
    ['a negative length', answer(['content-length: -1'], 'x')],
    ['a length in hexadecimal', answer(['content-length: 0x1'], 'x')],
    ['a length and chunks', answer(['content-length: 1', 'transfer-encoding: chunked'], '1\r\nx\r\n0\r\n\r\n')],
    ['another transfer coding', answer(['transfer-encoding: gzip, chunked'], '0\r\n\r\n')],
    ['chunks twice', answer(['transfer-encoding: chunked', 'transfer-encoding: chunked'], '0\r\n\r\n')],
    ['a folded header', answer(['x-a: b', ' c: d', 'content-length: 0'])],
    ['a blank before the colon', answer(['content-length : 0'])],
    ['a header without a colon', answer(['x-a', 'content-length: 0'])],
    ['a header without a name', answer([': a', 'content-length: 0'])],
    ['a bare LF', answer(['x-a: b\ncontent-length: 0'])],
    ['a NUL', answer(['x-a: b\0', 'content-length: 0'])],
    ['bytes after its end', `${answer(['content-length: 0'])}HTTP/1.1 200 OK\r\n\r\n`],
    ['a chunk without a size', answer(['transfer-encoding: chunked'], '\r\n')],
    ['a chunk with a sign', answer(['transfer-encoding: chunked'], '+1\r\nx\r\n0\r\n\r\n')],
    ['a chunk that is too long', answer(['transfer-encoding: chunked'], '1\r\nxy\r\n0\r\n\r\n')],
    ['a chunk that ends with a bare LF', answer(['transfer-encoding: chunked'], '1\nx\r\n0\r\n\r\n')],
    ['an endless line in the chunks', answer(['transfer-encoding: chunked'], `1;${'x'.repeat(2_000)}`)],
    ['headers that are too large', answer([`x: ${'x'.repeat(2_000)}`])],
    ['headers that do not end', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(2_000)}`],
    ['trailers without end', answer(['transfer-encoding: chunked'], `0\r\n${'a: b\r\n'.repeat(500)}`)],
  ])('is refused with %s', (_, text) => {
    expect(() => read(text)).toThrow(MalformedResponse);
    expect(() => read(text, [20, 21, 22, 40])).toThrow(MalformedResponse);
  });

  it.each([
    ['its length', answer(['content-length: 10001'])],
    ['its chunks', answer(['transfer-encoding: chunked'], '2710\r\n'.concat('x'.repeat(10_000), '\r\n1\r\n'))],
    ['what comes', answer([], 'x'.repeat(10_001))],
  ])('that is too large is refused as soon as %s shows it', (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'resource_exhausted' }));
  });

  it('is not complete before its end', () => {
    for (const text of [
      answer(['content-length: 3'], 'ab'),
      answer(['transfer-encoding: chunked'], '1\r\na\r\n0\r\n'),
      'HTTP/1.1 200 OK\r\n',
    ])
      expect(read(text)).toBeUndefined();
  });

  it('made of arbitrary bytes is refused, or waited for', () => {
    const property = fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.boolean(), (text, begun) => {
      try {
        read(begun ? `HTTP/1.1 200 OK\r\n${text}` : text);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedResponse);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('the name of a header', () => {
  it('is a token', () => {
    expect(headerName('X-Some_Thing.1')).toBe('x-some_thing.1');
    for (const name of ['', 'a b', 'a:', 'ä', 'a\r\nb', ':path', 'a(b)']) expect(headerName(name)).toBeUndefined();
  });
});
