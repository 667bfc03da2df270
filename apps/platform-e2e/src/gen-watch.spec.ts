import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cleanEnvironment, endProcess, temporaryFolder, until, workspaceRoot } from '@micro/testing';
import { expect, it } from 'vitest';

it('micro gen --watch makes what changes and what is new, goes on after a fault, and ends at ctrl-c', async () => {
  await using folder = await temporaryFolder();
  const proto = (name: string, field: string) =>
    writeFile(`${folder.path}/${name}.proto`, `syntax = "proto3"; package ${name}; message Request { ${field} }\n`);
  const made = (name: string, text: string) =>
    until(`${name}.micro.ts has ${text}; it wrote:\n${output}`, async () => {
      const content = await readFile(`${folder.path}/${name}.micro.ts`, 'utf8').catch(() => '');
      return content.includes(text);
    });
  await proto('a', 'string one = 1;');

  let output = '';
  const env = { ...cleanEnvironment(), MICRO_HOME: `${folder.path}/home` };
  const micro = spawn(process.execPath, [`${workspaceRoot}apps/cli/bin/micro.mjs`, 'gen', '--watch', folder.path], {
    env,
    stdio: 'pipe',
  });
  for (const stream of [micro.stdout, micro.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => micro.once('exit', resolve));
  try {
    await until('it watches', () => output.includes('watching'));
    await made('a', 'one');
    await proto('a', 'string two = 1;');
    await made('a', 'two');
    await proto('b', 'string three = 1;');
    await made('b', 'three');
    await proto('a', 'strin four = 1;');
    await until('it tells the fault', () => /a\.proto:1:\d+: .*strin/.test(output));
    await proto('a', 'string five = 1;');
    await made('a', 'five');
    micro.kill('SIGINT');
    expect(await ended).toBe(0);
  } finally {
    await endProcess(micro);
  }
});
