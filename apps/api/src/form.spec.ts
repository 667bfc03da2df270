import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMultipart } from './form.js';
import { NamedValues } from './values.js';

function read(body: string | Buffer, contentType: string): unknown {
  const values = new NamedValues();
  addMultipart(values, Buffer.from(body), contentType);
  return JSON.parse(JSON.stringify(values.toJson(undefined)));
}

describe('multipart forms', () => {
  it('gives back what a browser sends', async () => {
    const key = fc.stringMatching(/^[a-z]{1,6}$/);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, fc.string({ unit: 'grapheme' }), { minKeys: 1 }), async (fields) => {
        const form = new FormData();
        for (const [name, value] of Object.entries(fields)) form.append(name, value);
        const request = new Response(form);
        const read_ = read(Buffer.from(await request.arrayBuffer()), request.headers.get('content-type') as string);
        // Browsers end lines with CRLF.
        expect(read_).toEqual(
          Object.fromEntries(
            Object.entries(fields).map(([name, value]) => [name, value.replace(/\r\n|\r|\n/g, '\r\n')]),
          ),
        );
      }),
    );
  });

  it('refuses files, saying what to do', async () => {
    const form = new FormData();
    form.append('photo', new Blob(['x']), 'x.png');
    const request = new Response(form);
    const body = Buffer.from(await request.arrayBuffer());
    expect(() => read(body, request.headers.get('content-type') as string)).toThrow(
      expect.objectContaining({ status: 415, message: expect.stringContaining('base64') }),
    );
  });

  it.each([
    ['', 'multipart/form-data'],
    ['', 'multipart/form-data; boundary=x'],
    ['--x', 'multipart/form-data; boundary=x'],
    ['--x\r\n\r\n', 'multipart/form-data; boundary=x'],
    ['--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nv', 'multipart/form-data; boundary=x'],
    ['--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--', 'multipart/form-data; boundary=x'],
    ['--x\r\nContent-Disposition: form-data; name="__proto__.a"\r\n\r\nv\r\n--x--', 'multipart/form-data; boundary=x'],
  ])('refuses %j as %s', (body, contentType) => {
    expect(() => read(body, contentType)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
