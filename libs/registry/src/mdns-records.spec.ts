import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Announcement,
  isReference,
  labelIn,
  labelOf,
  largestPacket,
  lengthOf,
  packBlob,
  parseBlobName,
  parseMetadata,
  parseText,
  recordsOf,
  type Texts,
  unpackBlob,
} from './mdns-records.js';
import { pack, type Unit } from './mdns-socket.js';

const word = fc
  .string({ minLength: 1, maxLength: 60, unit: 'grapheme' })
  .filter((text) => /^[^\p{Cc}\u2028\u2029]+$/u.test(text) && text.trim() === text);
const bytes = fc.uint8Array({ maxLength: 40_000 });
const metadata = fc.oneof(
  fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ maxLength: 40 }), { maxKeys: 5 }),
  fc.dictionary(fc.string({ maxLength: 90, unit: 'grapheme' }), fc.string({ maxLength: 600, unit: 'grapheme' }), {
    maxKeys: 5,
  }),
);
const announcement: fc.Arbitrary<Announcement> = fc.record({
  namespace: fc.stringMatching(/^[A-Za-z0-9._-]{1,60}$/),
  name: word,
  version: word,
  node: fc.record({
    id: word,
    address: fc.constantFrom('127.0.0.1:80', '[::1]:65535', 'host.example:1', `${'x'.repeat(70)}.y:2`),
    metadata,
  }),
  since: fc.nat(),
  ttl: fc.integer({ min: 1_000, max: 100_000 }),
  service: bytes.map((content) => packBlob(content)),
});

describe('records of a node', () => {
  it('say the same after they were read', () => {
    fc.assert(
      fc.property(announcement, (given) => {
        const { text, blobs } = recordsOf(given);
        const label = labelIn(text.name) as string;
        const { namespace, name, version, node, since, ttl, service } = given;
        const read = parseText(label, text.data);
        expect(read).toMatchObject({
          key: { namespace, name, version, id: node.id },
          address: node.address,
          since,
          ttl,
        });
        expect(read?.service).toEqual({ hash: service.hash, count: service.chunks.length });
        const found = read?.metadata ?? {};
        const blob = isReference(found) ? blobs.get(found.hash) : undefined;
        const whole = blob ? parseMetadata(unpackBlob(blob.hash, blob.chunks) ?? Buffer.of()) : found;
        expect(Object.entries(whole ?? {}).sort()).toEqual(Object.entries(node.metadata).sort());
      }),
    );
  });

  it('fit the limits of DNS: labels, strings, packets', () => {
    fc.assert(
      fc.property(fc.array(announcement, { minLength: 1, maxLength: 8 }), (all) => {
        const records = all.map(recordsOf);
        for (const { text, location, host } of records) {
          for (const record of [text, location, host]) {
            for (const label of record?.name.split('.') ?? []) expect(Buffer.byteLength(label)).toBeLessThanOrEqual(63);
          }
          for (const string of text.data) expect(string.length).toBeLessThanOrEqual(255);
        }
        const units = records.map(({ pointer, text }): Unit => ({ answers: [pointer, text] }));
        for (const { answers } of pack([...units, ...units, ...units])) {
          expect(answers.reduce((sum, answer) => sum + lengthOf(answer), 12)).toBeLessThanOrEqual(largestPacket);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('are told apart by namespace, name, version and id', () => {
    const key = { namespace: 'micro', name: 'a.b', version: '1', id: 'x' };
    const others = [{ namespace: 'foo' }, { name: 'a-b' }, { name: 'A.B' }, { version: '2' }, { id: 'X' }].map(
      (field) => labelOf({ ...key, ...field }),
    );
    expect(new Set([labelOf(key), ...others]).size).toBe(6);
  });
});

describe('what comes from outside', () => {
  it('is read without a throw, whatever it is', () => {
    const texts: fc.Arbitrary<Texts> = fc.array(fc.uint8Array({ maxLength: 255 }).map((text) => Buffer.from(text)));
    fc.assert(
      fc.property(texts, fc.string(), (data, name) => {
        expect(parseText(name, data)).toBeUndefined();
        labelIn(name);
        parseBlobName(name);
        expect(unpackBlob('0'.repeat(32), data)).toBeUndefined();
        parseMetadata(Buffer.concat(data));
      }),
    );
  });

  it('is not believed when a field was changed', () => {
    fc.assert(
      fc.property(announcement, fc.nat(), fc.string(), (given, at, replacement) => {
        const { text } = recordsOf(given);
        const label = labelIn(text.name) as string;
        const data = [...text.data];
        data[at % data.length] = Buffer.from(replacement);
        const read = parseText(label, data);
        if (read) expect(labelOf(read.key)).toBe(label);
      }),
    );
  });

  it('cannot make a small packet grow without end', () => {
    const bomb = packBlob(new Uint8Array(200 * 1024 * 1024));
    expect(bomb.chunks.length).toBeLessThan(30);
    expect(unpackBlob(bomb.hash, bomb.chunks)).toBeUndefined();
  });
});

describe('blobs', () => {
  it('are whole after they were cut', () => {
    fc.assert(
      fc.property(bytes, (content) => {
        const { hash, chunks } = packBlob(content);
        expect(Buffer.from(unpackBlob(hash, chunks) ?? 'nothing').equals(Buffer.from(content))).toBe(true);
      }),
    );
  });
});
