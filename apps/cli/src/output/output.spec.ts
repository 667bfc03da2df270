import { describe, expect, it } from 'vitest';
import { contentText, plainText } from './content.js';
import { Output } from './output.js';
import { wantsColor } from './paint.js';

function caught(format: 'table' | 'json' | 'raw' | 'yaml', isTTY = false, columns?: number) {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => ({ isTTY, columns, write: (text: string) => (written[name] += text) });
  return { written, out: new Output(format, sink('stdout'), sink('stderr'), { stdout: false, stderr: false }) };
}

const table = {
  columns: [
    { title: 'name', text: ({ name }: { name: string }) => name },
    { title: 'size', text: ({ size }: { size: number }) => String(size) },
  ],
  rows: [
    { name: 'naïve 名前', size: 1 },
    { name: 'two\nlines', size: 22 },
  ],
  data: ({ name, size }: { name: string; size: number }) => ({ name, size }),
  empty: 'nothing',
};

describe('output', () => {
  it.each([
    ['table', 'NAME         SIZE\nnaïve 名前   1\ntwo          22\nlines\n'],
    ['raw', 'naïve 名前\t1\ntwo lines\t22\n'],
    [
      'json',
      '[\n  {\n    "name": "naïve 名前",\n    "size": 1\n  },\n  {\n    "name": "two\\nlines",\n    "size": 22\n  }\n]\n',
    ],
    ['yaml', '- name: naïve 名前\n  size: 1\n- name: |-\n    two\n    lines\n  size: 22\n'],
  ] as const)('a list as %s', async (format, expected) => {
    const { out, written } = caught(format);
    await out.list(table);
    expect(written).toEqual({ stdout: expected, stderr: '' });
  });

  it('a table is no wider than the terminal, as long as that leaves something of the last column', async () => {
    const wide = {
      ...table,
      columns: [table.columns[0]!, { title: 'text', text: () => 'a'.repeat(50) }],
      rows: [{ name: 'one', size: 1 }],
    };
    const lines = async (columns?: number) => {
      const { out, written } = caught('table', true, columns);
      await out.list(wide);
      return written.stdout.split('\n')[1];
    };
    expect(await lines(30)).toBe(`one    ${'a'.repeat(22)}…`);
    for (const columns of [undefined, 57, 10]) expect(await lines(columns)).toBe(`one    ${'a'.repeat(50)}`);
  });

  it.each([
    ['table', 'nothing\n'],
    ['raw', ''],
    ['json', '[]\n'],
    ['yaml', '[]\n'],
  ] as const)('an empty list as %s', async (format, expected) => {
    const { out, written } = caught(format);
    await out.list({ ...table, rows: [] });
    expect(written.stdout).toBe(expected);
  });

  it('short answers stay on one line, as the gateway gives them', async () => {
    const { out, written } = caught('table');
    await out.answer({ msg: 'Hello Alice' });
    await out.answer({ long: 'x'.repeat(80) });
    expect(written.stdout).toBe(`{"msg":"Hello Alice"}\n{\n  "long": "${'x'.repeat(80)}"\n}\n`);
  });

  it('progress is lines where nobody looks, each said once, apart from the data', async () => {
    const { out, written } = caught('json');
    const progress = await out.progress('starting');
    for (const step of ['building', 'building', 'waiting']) progress.step(step);
    progress.succeed('done');
    expect(written).toEqual({ stdout: '', stderr: 'starting\nbuilding\nwaiting\ndone\n' });
  });

  it('colours are for terminals, unless told otherwise', () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({ isTTY: false }, {})).toBe(false);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(wantsColor({ isTTY: false }, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(true);
    expect(wantsColor({ isTTY: true }, { FORCE_COLOR: '0' })).toBe(false);
  });
});

describe('what may hold any character', () => {
  it.each([
    ['orders/1 – 名前 🦊 👨‍👩‍👧', 'orders/1 – 名前 🦊 👨‍👩‍👧'],
    ['a\nb\r\tc\u2028', 'a\\nb\\r\\tc\\u2028'],
    ['\u001b[2J\u0000\u007f\u009b', '\\u001b[2J\\u0000\\u007f\\u009b'],
    ['\u202egnp.exe\u2069', '\\u202egnp.exe\\u2069'],
  ])('is a line that does nothing to a terminal: %j', (text, shown) => expect(plainText(text)).toBe(shown));

  it.each(['\u001b[2J', '\u009b2J', '\u0000', '\u007f'])('is told by its size where it would: %j', (text) =>
    expect(contentText(Buffer.from(`a${text}`))).toMatch(/^\(\d bytes that are no text/),
  );

  it('is shown as it is where it is text', () =>
    expect(contentText(Buffer.from('tea\n\t名前 é¡'))).toBe('tea\n\t名前 é¡'));
});
