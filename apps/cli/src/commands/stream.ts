import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { namedEndpoint } from '../dynamic/endpoint-words.js';
import { exitCodes, Failure } from '../failure.js';
import { callOptions, type CallOptionValues, callSettings } from '../remote/call-options.js';
import { jsonLines, piped, requestJson } from '../remote/json-lines.js';
import { schemaOf } from '../remote/service-view.js';
import { requireService } from '../resolve.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Calls a streaming endpoint with requests in JSON, and prints each message as a line.')
    .argument('<service>', 'name of the service')
    .argument('<endpoint>', 'Handler.Method, like Helloworld.Stream; or package.Service/Method')
    .argument(
      '[requests...]',
      'JSON, @file; several where the endpoint takes a stream, or one a line from standard input',
    );
  callOptions(command).action(
    async (name: string, endpointName: string, requests: string[], options: CallOptionValues) => {
      const settings = callSettings(options);
      const service = await requireService(name, cli.connection);
      const endpoint = namedEndpoint(service, endpointName);
      const method = (await schemaOf(service))?.method(endpoint.path);
      if (!method)
        throw new Failure(`${name} registered no schema for ${endpoint.name}, so that its messages cannot be written`, {
          exitCode: exitCodes.methodNotFound,
        });
      const { stdin } = cli.streams;
      const takesStream = endpoint.kind === 'clientStream' || endpoint.kind === 'bidiStream';
      const fromStdin = takesStream && piped(stdin) && (requests.length === 0 || requests.join() === '-');
      const messages = fromStdin
        ? jsonLines(stdin)
        : await Promise.all(
            (requests.length > 0 ? requests : [undefined]).map((request) => requestJson(request, stdin)),
          );
      for await (const message of cli.connection.stream(name, method, messages, {
        ...settings,
        namespace: service.namespace,
      }))
        await cli.out.streamed(message);
    },
  );
}
