import { resolve as absolute } from 'node:path';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { Failure } from '../failure.js';
import { because } from '../remote/failed-start.js';
import { collect, pairs } from '../remote/call-options.js';
import { count, environmentPairs } from '../remote/run-options.js';
import { isFolder, RuntimeConnection, statusName } from '../remote/runtime.js';
import { serviceData } from '../remote/running-service.js';

interface Options {
  readonly source?: string;
  readonly instances?: string;
  readonly env?: string[];
  readonly metadata?: string[];
}

export function define(command: Command, cli: Cli): void {
  command
    .description('Builds a running service again and replaces its instances one by one, so that no call is lost.')
    .argument('<service>', 'its name, or the folder that it runs from')
    .option('--source <FOLDER>', 'build this folder from now on')
    .option('--instances <NUMBER>', 'how many to run; with nothing else given, nothing is built')
    .option('-e, --env <KEY=VALUE>', 'variable to add or change; repeat for more', collect)
    .option('--metadata <KEY=VALUE>', 'metadata to add or change; repeat for more', collect)
    .action(async (word: string, options: Options) => {
      const { source } = options;
      if (source !== undefined && !isFolder(source)) throw new Failure(`there is no folder ${absolute(source)}`);
      const runtime = new RuntimeConnection(cli);
      const name = await runtime.nameOf(word);
      const request = {
        name,
        source: source === undefined ? undefined : absolute(source),
        instances: options.instances === undefined ? undefined : count(options.instances, '--instances'),
        env: environmentPairs(options.env, cli.variables),
        metadata: pairs(options.metadata, '--metadata'),
      };
      const progress = await cli.out.progress(`updating ${name}`);
      const service = await runtime.update(request, progress).finally(() => progress.stop());
      if (service.message !== '')
        throw new Failure(
          `${name} was not updated${statusName(service.status) === 'running' ? ', the old instances go on' : ''}${because(service.message)}\nmore of what it wrote: micro logs ${name}`,
        );
      await cli.out.value(serviceData(service), `${name} ${service.version} is ${statusName(service.status)}`);
    });
}
