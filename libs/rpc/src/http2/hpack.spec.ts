import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompressionError, encodeHeaders, HpackDecoder, tooLarge } from './hpack.js';
import { huffmanDecoded } from './huffman.js';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const decoder = () => new HpackDecoder({ listBytes: 16_384 });

/** RFC 7541, appendix C. */
const plain = [
  ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', ':method GET :scheme http :path / :authority www.example.com'],
  [
    '8286 84be 5808 6e6f 2d63 6163 6865',
    ':method GET :scheme http :path / :authority www.example.com cache-control no-cache',
  ],
  [
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ':method GET :scheme https :path /index.html :authority www.example.com custom-key custom-value',
  ],
] as const;
const coded = [
  ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', plain[0][1]],
  ['8286 84be 5886 a8eb 1064 9cbf', plain[1][1]],
  ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', plain[2][1]],
] as const;

describe('header blocks', () => {
  it.each([
    ['plain', plain],
    ['in the Huffman code', coded],
  ])('of the specification are read, %s', (_, blocks) => {
    const hpack = decoder();
    for (const [block, headers] of blocks) expect(hpack.decode(hex(block))).toEqual(headers.split(' '));
  });

  it('evict what no longer fits the table', () => {
    // RFC 7541, appendix C.5, with a table of 256 bytes.
    const hpack = new HpackDecoder({ tableBytes: 256, listBytes: 16_384 });
    hpack.decode(
      hex(
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      ),
    );
    expect(hpack.decode(hex('4803 3330 37c1 c0bf'))).toEqual([
      ':status',
      '307',
      'cache-control',
      'private',
      'date',
      'Mon, 21 Oct 2013 20:13:21 GMT',
      'location',
      'https://www.example.com',
    ]);
    // The first :status has made room for the second; what was its neighbour is the last.
    expect(() => hpack.decode(hex('c2'))).toThrow(CompressionError);
  });

  it('come back as they were', () => {
    const name = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
    const value = fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x20 : code)),
      maxLength: 300,
    });
    const property = fc.property(
      fc.array(
        fc.tuple(
          fc.oneof(name, fc.constantFrom(':status', 'content-type', 'date')),
          fc.oneof(value, fc.constantFrom('200', '404')),
        ),
      ),
      (headers) => {
        expect(decoder().decode(Buffer.from(encodeHeaders(headers.flat())))).toEqual(headers.flat());
      },
    );
    fc.assert(property);
  });

  it('that are too large are read to their end, so that the table stays right', () => {
    const hpack = new HpackDecoder({ listBytes: 100 });
    const large = Buffer.concat([hex('4001 61'), Buffer.from([0x7f, 0x01]), Buffer.from('x'.repeat(128), 'latin1')]);
    expect(hpack.decode(Buffer.concat([large, hex('4001 6201 63')]))).toBe(tooLarge);
    expect(hpack.decode(hex('be'))).toEqual(['b', 'c']);
  });

  it('leave out what no header can carry', () => {
    const block = encodeHeaders(['a', 'b', 'Upper', '1', 'sp ace', '1', 'x', 'line\nbreak', 'y', '\u010a', 'z', 'ü']);
    expect(decoder().decode(Buffer.from(block))).toEqual(['a', 'b', 'z', 'ü']);
  });

  it.each([
    ['an index of nothing', '80'],
    ['an index beyond the table', 'be'],
    ['an integer without end', 'ffffffffffffffffff'],
    ['a string longer than the block', '4005 6162'],
    ['a block that ends in a header', '40'],
    ['a table larger than allowed', '3fe2 1f'],
    ['a new size after a header', '8220'],
    ['a string with the end of strings', '4084 ffff fffc 0161'],
    ['a padding of zeros', '4082 1800 0161'],
    ['a padding of more than seven bits', '4082 1fff 0161'],
  ])('with %s are refused', (_, block) => {
    expect(() => decoder().decode(hex(block))).toThrow(CompressionError);
  });

  it('of arbitrary bytes are read, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decoder().decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(CompressionError);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

it('knows the code of every character', () => {
  // Every byte in order, as another implementation (Go's) coded it.
  const bytes = readFileSync(new URL('huffman.fixture.bin', import.meta.url));
  expect(huffmanDecoded(bytes, 0, bytes.length)).toBe(
    String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code)),
  );
});
