import { createServer } from 'node:net';
import { join } from 'node:path';
import { chmodSync, mkdirSync } from 'node:fs';
import { freePorts, temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';
import { platform } from '../server/platform.js';
import { runMicro } from '../program.fixture.js';

it('finds what is right and what is not, and says what to do', async () => {
  await using folder = await temporaryFolder();
  const ports = await freePorts(platform.length + 1);
  const env: Record<string, string> = {
    MICRO_HOME: join(folder.path, 'home'),
    MICRO_MDNS_PORT: String(ports[platform.length]),
  };
  platform.forEach(({ variable }, index) => (env[variable] = `127.0.0.1:${ports[index]}`));
  const doctor = async (...args: string[]) => {
    const ran = await runMicro(['doctor', ...args], { env });
    return {
      ...ran,
      findings: args.includes('json')
        ? (JSON.parse(ran.stdout) as { name: string; result: string; finding: string; advice: string }[])
        : [],
    };
  };

  const well = await doctor('-o', 'json');
  expect(well.code).toBe(0);
  expect(well.findings.filter(({ result }) => result === 'failed')).toEqual([]);
  expect(well.findings.find(({ name }) => name === 'server')).toMatchObject({
    result: 'warning',
    advice: 'start one with micro server',
  });

  mkdirSync(join(folder.path, 'home'), { mode: 0o755 });
  chmodSync(join(folder.path, 'home'), 0o755);
  const holder = createServer().listen(ports[0], '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  try {
    const ill = await doctor('-o', 'json');
    expect(ill.code).toBe(1);
    expect(ill.findings.find(({ name }) => name === `port ${ports[0]} (${platform[0]!.name})`)).toMatchObject({
      result: 'failed',
      finding: expect.stringContaining(`taken by process ${process.pid}`),
      advice: expect.stringContaining(`--${platform[0]!.name}-address`),
    });
    expect(ill.findings.find(({ name }) => name === 'data directory')).toMatchObject({
      result: 'warning',
      advice: expect.stringContaining('chmod 700'),
    });
    expect((await doctor()).stdout).toMatch(/✘ +port .* taken by/);
  } finally {
    holder.close();
  }
});
