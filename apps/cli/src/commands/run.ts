import { resolve as absolute } from 'node:path';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { Failure } from '../failure.js';
import { commandWords, count, environmentPairs } from '../remote/run-options.js';
import { collect, pairs } from '../remote/call-options.js';
import { isFolder, RuntimeConnection, statusName, type RuntimeService } from '../remote/runtime.js';
import { notStarted } from '../remote/failed-start.js';
import { serviceData } from '../remote/running-service.js';

interface Options {
  readonly name?: string;
  readonly version?: string;
  readonly instances?: string;
  readonly env?: string[];
  readonly metadata?: string[];
  readonly command?: string;
  readonly watch?: boolean;
  readonly force?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command
    .description('Builds and runs a service from its source, and says where to call it.')
    .argument('[source]', 'a local folder', '.')
    .option('--name <NAME>', 'name of the service (default: from package.json, else the folder)')
    .option('--version <VERSION>', 'version (default latest)')
    .option('--instances <NUMBER>', 'how many to run (default 1)')
    .option('-e, --env <KEY=VALUE>', 'variable for the service; KEY alone hands on your own; repeat for more', collect)
    .option('--metadata <KEY=VALUE>', 'metadata of the service; repeat for more', collect)
    .option('--command <COMMAND>', 'run this program in the folder, instead of building it')
    .option('--watch', 'build and replace it on every change of its source')
    .option('--force', 'replace a service of that name')
    .action(async (source: string, options: Options) => {
      const service = await create(cli, source, options);
      if (statusName(service.status) === 'error') throw notStarted(service);
      const { whereToCall } = await import('../remote/where-to-call.js');
      const lines = cli.out.forPeople ? await whereToCall(cli, service) : [];
      await cli.out.value(serviceData(service), lines.join('\n'));
    });
}

async function create(cli: Cli, source: string, options: Options): Promise<RuntimeService> {
  const request = {
    name: options.name,
    version: options.version,
    source: sourceOf(source),
    command: options.command === undefined ? [] : commandWords(options.command),
    env: environmentPairs(options.env, cli.variables),
    metadata: pairs(options.metadata, '--metadata'),
    instances: options.instances === undefined ? undefined : count(options.instances, '--instances'),
    force: options.force,
    watch: options.watch,
  };
  const progress = await cli.out.progress(`running ${options.name ?? source}`);
  try {
    const service = await new RuntimeConnection(cli).create(request, progress);
    if (statusName(service.status) === 'error') progress.stop();
    else progress.succeed(`${service.name} ${service.version} is ${statusName(service.status)}`);
    return service;
  } catch (error) {
    progress.stop();
    throw error;
  }
}

/** Folders are made absolute, because the runtime works elsewhere; what is no path, such as a git URL, is the runtime's to judge. */
function sourceOf(source: string): string {
  if (isFolder(source)) return absolute(source);
  if (/^(?:[a-z][a-z0-9+.-]*:\/\/|git@|[\w-]+\.[\w.-]+\/)/.test(source)) return source;
  throw new Failure(
    `there is no folder ${absolute(source)}: give the folder of a service, such as one made by \`micro new\``,
  );
}
