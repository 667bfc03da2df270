import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { generate } from '@micro/proto';
import { Failure } from '../failure.js';
import { type ServiceNames, templateFiles } from './template.js';

export interface Scaffolded {
  readonly name: string;
  readonly folder: string;
  /** Relative to the folder. */
  readonly files: readonly string[];
  /** Whether @micro/service is to be found from there already. */
  readonly installed: boolean;
}

/** Writes a new service. Failure for a name that is none, or a folder that is there; then nothing is written. */
export async function scaffold(path: string, version: string): Promise<Scaffolded> {
  const folder = resolve(path);
  const names = namesOf(basename(folder));
  if (existsSync(folder)) throw new Failure(`${folder} is there already: choose another name, or delete it`);
  const files = templateFiles(names, version);
  const proto = `proto/${names.service}.proto`;
  files[`proto/${names.service}.micro.ts`] = generate({ path: `${names.service}.proto`, text: files[proto]! });
  let begun = false;
  try {
    mkdirSync(dirname(folder), { recursive: true });
    mkdirSync(folder);
    begun = true;
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text, { flag: 'wx' });
    }
  } catch (error) {
    if (begun) rmSync(folder, { recursive: true, force: true });
    throw new Failure(`cannot write ${folder}: ${(error as Error).message}`, { cause: error });
  }
  return {
    name: names.service,
    folder,
    files: Object.keys(files).sort(),
    installed: canImport('@micro/service', folder),
  };
}

/** Words that a variable or a file of the template could not be named. */
const taken = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if
   implements import in instanceof interface let main new null package private protected public return schema serve static super switch this throw true
   try typeof var void while with yield handlers call-request call-response stream-request stream-response ping-pong-request ping-pong-response`.split(
    /\s+/,
  ),
);

/** How the name is spelled in each place. Failure for one that cannot be a service's. */
export function namesOf(service: string): ServiceNames {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(service) || service.length > 63) {
    throw new Failure(
      `${JSON.stringify(service.slice(0, 80))} is no name for a service: up to 63 lower-case letters, digits and single hyphens, a letter first, like foo-bar`,
    );
  }
  if (taken.has(service))
    throw new Failure(
      `${service} means something in TypeScript or in the template: choose another name, like ${service}-service`,
    );
  const words = service.split('-');
  const title = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return { service, title, variable: title[0]!.toLowerCase() + title.slice(1), package: words.join('_') };
}

function canImport(module: string, folder: string): boolean {
  try {
    createRequire(join(folder, 'package.json')).resolve(`${module}/package.json`);
    return true;
  } catch {
    return false;
  }
}
