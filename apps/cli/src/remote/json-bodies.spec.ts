import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { temporaryFolder } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { Failure } from '../failure.js';
import { jsonBodies } from './json-bodies.js';

const nothing = Object.assign(Readable.from([]), { isTTY: true });

async function bodies(
  text: string | undefined,
  stdin: Readable & { readonly isTTY?: boolean } = nothing,
): Promise<string[]> {
  const found: string[] = [];
  for await (const body of jsonBodies(text, stdin)) found.push(Buffer.from(body).toString());
  return found;
}

describe('bodies of messages', () => {
  it.each(['{"n": 9007199254740993}', '1.10', '"tea"', '[1, 2]', 'null', '{"a":1,"a":2}'])(
    'go out as they are given: %s',
    async (text) => {
      expect(await bodies(` ${text}\n`)).toEqual([text]);
    },
  );

  it('are read from a file', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'body.json');
    await writeFile(file, '{"n":1}\n');
    expect(await bodies(`@${file}`)).toEqual(['{"n":1}']);
    await expect(bodies(`@${file}.none`)).rejects.toThrow(/cannot read the file .*ENOENT/);
  });

  it('come one a line through a pipe, without empty ones', async () => {
    const lines = () => Readable.from(['{"n":1}\r\n\n', '{"n"', ':12345678901234567890}']);
    expect(await bodies(undefined, lines())).toEqual(['{"n":1}', '{"n":12345678901234567890}']);
  });

  it('that are no JSON are refused, with the line, after those before it', async () => {
    await expect(bodies('tea')).rejects.toThrow(/not JSON.*\{"name":"Alice"\}/);
    const seen: string[] = [];
    const sending = (async () => {
      for await (const body of jsonBodies(undefined, Readable.from(['1\n2\ntea\n4\n'])))
        seen.push(Buffer.from(body).toString());
    })();
    await expect(sending).rejects.toThrow(/line 3 of standard input/);
    expect(seen).toEqual(['1', '2']);
  });

  it('must be given, where nothing is piped in', async () => {
    await expect(bodies(undefined)).rejects.toThrow(Failure);
    await expect(bodies(undefined)).rejects.toThrow(/@file, or -/);
  });
});
