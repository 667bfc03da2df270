import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Cli } from '../cli.js';
import type { Finding } from './checks.js';

const name = 'data directory';
const enough = 200 * 1024 * 1024;

/** Whether data can be kept, and kept to oneself. */
export async function dataDirectory({ settings: { home } }: Cli): Promise<Finding> {
  const there = existsSync(home);
  const place = there ? home : firstThere(home);
  try {
    if (!statSync(place).isDirectory())
      return {
        name,
        result: 'failed',
        finding: `${place} is no folder`,
        advice: 'delete it, or set MICRO_HOME to another folder',
      };
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return {
      name,
      result: 'failed',
      finding: `${place} cannot be written`,
      advice: `take it over with sudo chown -R "$USER" ${place}, or set MICRO_HOME to another folder`,
    };
  }
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  if (free < enough)
    return {
      name,
      result: 'warning',
      finding: `${home} has ${Math.round(free / 1024 / 1024)} MB free`,
      advice: 'free some space',
    };
  if (there && (statSync(home).mode & 0o077) !== 0) {
    return { name, result: 'warning', finding: `${home} can be read by other users`, advice: `chmod 700 ${home}` };
  }
  return { name, result: 'ok', finding: there ? home : `${home}, made when it is needed`, advice: '' };
}

function firstThere(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : firstThere(dirname(path));
}
