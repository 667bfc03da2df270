import type { Command } from 'commander';
import type { JsonValue } from '@micro/proto';
import type { Cli } from '../cli.js';
import {
  callOptions,
  type CallOptionValues,
  callSettings,
  endpointPath,
  type FoundEndpoint,
} from '../remote/call-options.js';
import { requestJson } from '../remote/json-lines.js';
import { schemaOf } from '../remote/service-view.js';

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
      const found = await endpointPath(cli, { service, endpoint, address: settings.address });
      const { path, namespace } = found;
      const answer = cli.connection.call(service, path, body, { ...settings, namespace });
      // Meanwhile; an error of the call comes after the warning, which may be its reason.
      answer.catch(() => undefined);
      await warnOfUnknownFields(cli, body, found);
      await cli.out.answer(await answer);
    },
  );
}

/** Nothing more than a warning: whoever is called decides what is wrong, and may know more than was registered. */
async function warnOfUnknownFields(cli: Cli, body: JsonValue, { service, path }: FoundEndpoint): Promise<void> {
  const hasFields = typeof body === 'object' && body !== null && Object.keys(body).length > 0;
  if (!service || !hasFields) return;
  const schema = await schemaOf(service).catch(() => undefined);
  const method = schema?.method(path);
  if (!method) return;
  const { unknownFieldsWarning } = await import('../remote/unknown-fields.js');
  const warning = unknownFieldsWarning(body, method.input);
  if (warning !== undefined) cli.out.note(cli.out.errorPaint.yellow(warning));
}
