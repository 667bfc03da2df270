import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, encodeStatusMessage, type Frame, FrameReader } from './grpc-frames.js';

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    const messages = fc.array(fc.record({ compressed: fc.boolean(), message: fc.uint8Array({ maxLength: 300 }) }));
    fc.assert(
      fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
        const reader = new FrameReader(300);
        let bytes = Buffer.concat(sent.map(encodeFrame));
        const read: Frame[] = [];
        while (bytes.length > 0) {
          const size = cuts.next().value as number;
          reader.push(bytes.subarray(0, size), (frame) => read.push(frame));
          bytes = bytes.subarray(size);
        }
        expect(reader.incomplete).toBe(false);
        expect(read.map(({ compressed, message }) => ({ compressed, message: new Uint8Array(message) }))).toEqual(sent);
      }),
    );
  });

  it('over the limit are refused before they are read', () => {
    const prefix = Buffer.from([0, 0, 0, 1, 1]);
    expect(() => new FrameReader(256).push(prefix, () => undefined)).toThrow(
      expect.objectContaining({ code: 'resource_exhausted' }),
    );
  });

  it('with unknown flags are refused', () => {
    expect(() => new FrameReader(256).push(Buffer.from([2, 0, 0, 0, 0]), () => undefined)).toThrow(
      expect.objectContaining({ code: 'internal' }),
    );
  });
});

it('writes status messages that any client decodes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = encodeStatusMessage(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(
        Buffer.from(
          encoded.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
          'latin1',
        ).toString('utf8'),
      ).toBe(Buffer.from(text, 'utf8').toString('utf8'));
    }),
  );
});
