import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';
import { greeter } from './contract/services.fixture.js';
import { lockFile } from './file-lock.js';
import { outsideProcess } from './outside-process.js';
import { registryContract } from './registry.contract.js';
import { SharedFileRegistry } from './shared-file.js';

registryContract('shared file', { crossProcess: true }, async () => {
  const folder = await temporaryFolder();
  const fallbackFile = join(folder.path, 'registry.json');
  return {
    open: async () => new SharedFileRegistry(fallbackFile),
    // An interface that no machine has: multicast cannot work.
    registerElsewhere: (service, ttl) =>
      outsideProcess({ adapter: 'mdns', interface: '203.0.113.1', fallbackFile }, { service, ttl }),
    close: async () => folder[Symbol.asyncDispose](),
  };
});

it('a renewal that is still to be written does not bring back what another process has deregistered', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'registry.json');
  const registry = new SharedFileRegistry(file);
  const names = async () => (await registry.list()).map(({ name }) => name);
  try {
    await registry.register(greeter());
    const lock = await lockFile(`${file}.lock`, async () => undefined);
    await registry.register(greeter());
    const next = registry.register(greeter({ name: 'next' }));
    // Before the process reads it, it writes.
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, lines.filter((line) => !line.includes('"name":"greeter"')).join('\n'));
    await lock.release();
    await next;
    expect(await names()).toEqual(['next']);
    expect(await readFile(file, 'utf8')).not.toContain('"name":"greeter"');
    await registry.register(greeter());
    expect(await names()).toEqual(['greeter', 'next']);
  } finally {
    await registry.close();
  }
});
