import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonText, parseJson } from './json.js';

function problemOf(text: string): string {
  try {
    parseJson(Buffer.from(text));
  } catch (error) {
    return (error as Error).message;
  }
  return 'none';
}

describe('parseJson', () => {
  it.each([
    ['', 'it ends too early, at line 1, column 1'],
    ['{"name":', 'it ends too early, at line 1, column 9'],
    ['{"name":"Al', 'it ends too early, at line 1, column 12'],
    ['{"a":[1,2', 'it ends too early, at line 1, column 10'],
    ['{"name":}', 'unexpected "}" at line 1, column 9'],
    ["{'name':1}", 'unexpected "\'" at line 1, column 2'],
    ['{"a":1,}', 'unexpected "}" at line 1, column 8'],
    ['[1,]', 'unexpected "]" at line 1, column 4'],
    ['{"a" 1}', 'unexpected "1" at line 1, column 6'],
    ['{"a":1}\n x', 'unexpected "x" at line 2, column 2'],
    ['{"a":\n  nope}', 'unexpected "n" at line 2, column 3'],
    ['{"a":"\\x"}', 'unexpected "\\\\" at line 1, column 7'],
    ['{"a":"\n"}', 'unexpected "\\n" at line 1, column 7'],
    ['[01]', 'unexpected "1" at line 1, column 3'],
    ['{"a":😀}', 'unexpected "😀" at line 1, column 6'],
    ['[}', 'unexpected "}" at line 1, column 2'],
    ['{]', 'unexpected "]" at line 1, column 2'],
  ])('says of %j: %s', (text, problem) => {
    expect(() => parseJson(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: `the body is not valid JSON: ${problem}` }),
    );
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow('not valid UTF-8');
  });

  it('refuses a key that is there twice, and keeps integers exact until they are written again', () => {
    expect(() => parseJson(Buffer.from('{"a":1,"a":2}'))).toThrow(
      'the body is not valid JSON: an object has the key "a" twice',
    );
    const text = '{"__proto__":[18446744073709551615,{"a":-9007199254740993}],"b":"\\n","c":null,"d":1.5}';
    expect(jsonText(parseJson(Buffer.from(text)))).toBe(text);
  });

  it('reads what JSON.parse reads, and points no further than to where a text was cut', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, seed) => {
        const value = parseJson(Buffer.from(text));
        expect(JSON.parse(jsonText(value))).toEqual(JSON.parse(text));
        const cut = seed % text.length;
        const problem = problemOf(`${text.slice(0, cut)}\u0001`);
        expect(problem).toMatch(/: unexpected .* at line 1, column \d+$/);
        expect(Number(/\d+$/.exec(problem)?.[0])).toBeLessThanOrEqual(cut + 1);
      }),
    );
  });

  it('stands deep nesting', () => {
    expect(() => parseJson(Buffer.from('['.repeat(1_000_000)))).toThrow('ends too early, at line 1, column 1000001');
  });
});
