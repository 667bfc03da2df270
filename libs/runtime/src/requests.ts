import { resolve } from 'node:path';
import { MicroError } from '@micro/errors';
import type { Definition } from './hosted-service.js';
import type { CreateService, UpdateService } from './runtime.js';
import { checkFolder, checkName, defaultName, invalid, quote, readPackage, readSource } from './source.js';

const mostInstances = 100;
/** What the platform says about a service is not the service's to change. */
const platformVariables: ReadonlySet<string> = new Set([
  'MICRO_NAME',
  'MICRO_VERSION',
  'MICRO_NAMESPACE',
  'MICRO_NODE_ID',
]);

/** A request to create, checked against the file system, with every default set. MicroError `invalid_argument` that says what is wrong. */
export function checkCreate(request: CreateService): { readonly name: string; readonly definition: Definition } {
  const { command = [], env = {}, metadata = {}, instances = 1, watch = false } = request;
  const source = request.source ? checkSource(request.source, command) : '';
  if (source === '' && command.length === 0)
    throw invalid('nothing to run: give a source, which is a folder, or a command');
  checkCommand(command);
  checkVariables(env);
  const name = request.name ? checkName('name', request.name) : nameOf(source);
  const version = checkName('version', request.version || 'latest');
  if (watch && source === '') throw invalid('there is nothing to watch: give the source of the command, too');
  return { name, definition: { version, source, command, env, metadata, wanted: checkInstances(instances), watch } };
}

export interface CheckedUpdate {
  readonly instances: number;
  readonly onlyScale: boolean;
  readonly change: Partial<Definition>;
}

export function checkUpdate(request: UpdateService, present: Definition): CheckedUpdate {
  const { env = {}, metadata = {} } = request;
  checkVariables(env);
  const instances = checkInstances(request.instances ?? present.wanted);
  const others = request.source !== undefined || Object.keys(env).length > 0 || Object.keys(metadata).length > 0;
  const source = request.source === undefined ? present.source : checkSource(request.source, present.command);
  // What is there may have gone meanwhile: better said now than after the old instances have been touched.
  if (request.source === undefined && source !== '') checkSource(source, present.command);
  return {
    instances,
    onlyScale: request.instances !== undefined && !others,
    change: { source, env: { ...present.env, ...env }, metadata: { ...present.metadata, ...metadata } },
  };
}

/** The folder as it was given: people know it by that name. */
function checkSource(source: string, command: readonly string[]): string {
  if (command.length > 0) checkFolder(source);
  else readSource(source);
  return resolve(source);
}

function nameOf(source: string): string {
  if (source === '') throw invalid('a command without a source has no name: give one with --name');
  return defaultName(source, readPackage(source));
}

function checkCommand(command: readonly string[]): void {
  if (command.length === 0) return;
  if (command[0]?.trim() === '') throw invalid('the command is empty');
  if (command.some((word) => word.includes('\0'))) throw invalid('the command has a NUL character in it');
}

function checkVariables(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,255}$/.test(name))
      throw invalid(`${quote(name)} is no name of an environment variable`);
    if (platformVariables.has(name))
      throw invalid(`${name} is set by the platform; use --name, --version or the namespace instead`);
    if (typeof value !== 'string' || value.includes('\0'))
      throw invalid(`the value of ${name} is not a text without NUL characters`);
  }
}

function checkInstances(instances: number): number {
  if (Number.isInteger(instances) && instances >= 1 && instances <= mostInstances) return instances;
  throw new MicroError('invalid_argument', `${instances} instances are not possible: use 1 to ${mostInstances}`, {
    id: 'runtime',
  });
}
