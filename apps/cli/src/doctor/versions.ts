import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Cli, cliVersion } from '../cli.js';
import { serverVersion } from '../commands/version.js';
import type { Finding } from './checks.js';

/** Versions of Node that everything is tested with. */
export async function nodeVersion(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  const advice = fits ? '' : 'install Node 20.19, 22.12, 24 or later';
  return { name: 'Node', result: fits ? 'ok' : 'failed', finding: process.version, advice };
}

/** Whether the service in the current folder and this program belong together. */
export async function packageVersions(): Promise<Finding> {
  const name = 'packages';
  const micro = cliVersion();
  const service = installedVersion('@micro/service');
  if (service === undefined) return { name, result: 'ok', finding: `@micro/cli ${micro}`, advice: '' };
  const finding = `@micro/cli ${micro}, @micro/service ${service} in this folder`;
  return service === micro
    ? { name, result: 'ok', finding, advice: '' }
    : {
        name,
        result: 'warning',
        finding,
        advice: `install the same version of both: npm install @micro/service@${micro}`,
      };
}

/** Whether there is a server to talk to, and whether it is of this version. */
export async function server(cli: Cli): Promise<Finding> {
  const name = 'server';
  const { proxyAddress, origin } = cli.settings;
  const version = await serverVersion(cli);
  if (version === undefined)
    return {
      name,
      result: 'warning',
      finding: `none answers at ${proxyAddress} (${origin})`,
      advice: 'start one with micro server',
    };
  const finding = `version ${version} answers at ${proxyAddress} (${origin})`;
  return version === cliVersion()
    ? { name, result: 'ok', finding, advice: '' }
    : { name, result: 'warning', finding, advice: 'use the same version as the server' };
}

function installedVersion(module: string): string | undefined {
  try {
    const file = createRequire(join(process.cwd(), 'package.json')).resolve(`${module}/package.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version;
  } catch {
    return undefined;
  }
}
