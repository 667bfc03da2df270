import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A program that is not ours and that a test compares us with. */
export interface OutsideTool {
  readonly name: string;
  /** Debian package that has it. */
  readonly apt?: string;
  /** Go package that builds it, with its version: `github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3`. */
  readonly go?: string;
}

/**
 * Whether an outside tool can be run, installing it where that is possible: from Debian as root, or by Go. Where it is not to be had the
 * suite that needs it is skipped, loudly; with MICRO_TEST_NO_SKIP set, as CI does, that is an error instead.
 */
export function haveTool(tool: OutsideTool): boolean {
  if (installed(tool.name)) return true;
  if (tool.go && installed('go')) {
    spawnSync('go', ['install', tool.go], { stdio: 'inherit', env: { ...process.env, GOBIN: goBin() } });
  } else if (tool.apt && process.getuid?.() === 0 && installed('apt-get')) {
    spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
    spawnSync('apt-get', ['install', '-y', '-qq', tool.apt], {
      stdio: 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  if (installed(tool.name)) return true;
  const how = tool.go ? `go install ${tool.go}` : `apt-get install ${tool.apt}`;
  if (process.env['MICRO_TEST_NO_SKIP'])
    throw new Error(`${tool.name} is missing and MICRO_TEST_NO_SKIP forbids to skip: ${how}`);
  console.warn(`SKIPPED: ${tool.name} is not installed; to run these tests: ${how}`);
  return false;
}

/** PATH with the folders that Go installs into, and Debian the servers. */
export function toolPath(): string {
  return [process.env['PATH'], goBin(), '/usr/sbin', ...postgresBin()].join(delimiter);
}

/** What outside tools are run with. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: toolPath() };
}

function installed(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { env: toolEnvironment() }).status === 0;
}

/** Debian has a folder for each version; the newest first. */
function postgresBin(): string[] {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'));
}

function goBin(): string {
  const set = process.env['GOBIN'];
  if (set) return set;
  try {
    return join(execFileSync('go', ['env', 'GOPATH'], { encoding: 'utf8' }).trim(), 'bin');
  } catch {
    return join(homedir(), 'go/bin');
  }
}
