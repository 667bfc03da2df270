import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { catalogue } from './catalogue.js';
import { exitCodes, Failure } from './failure.js';
import type { Connection } from './remote/connection.js';
import type { ServiceView } from './remote/service-view.js';
import type { Variables } from './settings.js';
import { nearest } from './suggest.js';

/**
 * The service that a word means which is no command: in the connection's namespace, then in `micro`. Failure that says the word is unknown, with
 * the nearest names of commands and services.
 */
export async function serviceOrUnknown(
  word: string,
  variables: Variables,
  connection: Connection,
): Promise<ServiceView> {
  const nearCommands = () => nearest(word, [...catalogue.map(({ name }) => name), ...externalNames(variables)]);
  let service: ServiceView | undefined;
  try {
    service = await findService(word, connection);
  } catch (error) {
    throw withSuggestion(error, word, nearCommands());
  }
  if (service) return service;
  throw await unknown(word, nearCommands(), connection);
}

/** The newest version of a service, in the connection's namespace, then in `micro`. */
export async function findService(name: string, connection: Connection): Promise<ServiceView | undefined> {
  for (const namespace of namespacesOf(connection)) {
    const versions = await connection.services(name, namespace);
    if (versions.length > 0) return versions.at(-1);
  }
  return undefined;
}

/** The same, or a Failure with the nearest names. */
export async function requireService(name: string, connection: Connection): Promise<ServiceView> {
  const service = await findService(name, connection);
  if (service) return service;
  const near = nearest(name, await serviceNames(connection));
  throw new Failure(
    `service "${name}" is not registered in namespace ${connection.options.namespace}${near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ': see what is with `micro services`'}`,
    { exitCode: exitCodes.unreachable },
  );
}

/** Names that can be called: of the connection's namespace and of `micro`. */
export async function serviceNames(connection: Connection): Promise<string[]> {
  const lists = await Promise.all(
    namespacesOf(connection).map((namespace) => connection.services(undefined, namespace)),
  );
  return [...new Set(lists.flat().map(({ name }) => name))];
}

/** `micro-WORD` on PATH; only for words that are file names. */
export function externalProgram(word: string, variables: Variables): string | undefined {
  if (!/^[\w][\w.-]*$/.test(word)) return undefined;
  return folders(variables)
    .map((folder) => join(folder, `micro-${word}`))
    .find(isExecutable);
}

/** Words that a `micro-WORD` on PATH stands for. */
export function externalNames(variables: Variables): string[] {
  const names = folders(variables).flatMap((folder) => {
    try {
      return readdirSync(folder).filter((file) => file.startsWith('micro-') && isExecutable(join(folder, file)));
    } catch {
      return [];
    }
  });
  return [...new Set(names.map((file) => file.slice('micro-'.length)))];
}

function namespacesOf({ options: { namespace } }: Connection): string[] {
  return namespace === 'micro' ? ['micro'] : [namespace, 'micro'];
}

function folders({ PATH = '' }: Variables): string[] {
  return PATH.split(delimiter).filter((folder) => folder !== '');
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function unknown(word: string, near: readonly string[], connection: Connection): Promise<Failure> {
  const names = [...near, ...nearest(word, await serviceNames(connection))].slice(0, 3);
  const next =
    names.length > 0
      ? `did you mean ${names.join(' or ')}?`
      : 'see `micro --help` for commands and `micro services` for services';
  return new Failure(
    `"${word.slice(0, 80)}" is neither a command nor a service in namespace ${connection.options.namespace}; ${next}`,
    { exitCode: exitCodes.unreachable },
  );
}

/** Without a server nobody can say whether a word is a service; but when it looks like a command, it probably was to be one. */
function withSuggestion(error: unknown, word: string, near: readonly string[]): unknown {
  if (near.length === 0 || !(error instanceof Failure) || error.exitCode !== exitCodes.unreachable) return error;
  return new Failure(
    `"${word.slice(0, 80)}" is no command; did you mean ${near.join(' or ')}? If it is a service: ${error.message}`,
    { exitCode: error.exitCode, cause: error.cause },
  );
}
