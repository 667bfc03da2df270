import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { callOptions, type CallOptionValues, callSettings, endpointPath } from '../remote/call-options.js';
import { requestJson } from '../remote/json-lines.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Calls an endpoint with a request in JSON, and prints its answer.')
    .argument('<service>', 'name of the service')
    .argument('<endpoint>', 'Handler.Method, like Helloworld.Call; or package.Service/Method')
    .argument('[request]', 'JSON, @file, or - for standard input (default {})');
  callOptions(command).action(
    async (service: string, endpoint: string, request: string | undefined, options: CallOptionValues) => {
      const settings = callSettings(options);
      const body = await requestJson(request, cli.streams.stdin);
      const { path, namespace } = await endpointPath(cli, { service, endpoint, address: settings.address });
      await cli.out.answer(await cli.connection.call(service, path, body, { ...settings, namespace }));
    },
  );
}
