import type { Cli } from '../cli.js';
import { exitCodes, Failure } from '../failure.js';
import { schemaOf, type ServiceView } from '../remote/service-view.js';
import { chooseEndpoint } from './endpoint-words.js';

/** `micro SERVICE …`: calls an endpoint with a request made from flags, or shows the help that the schema gives. */
export async function runDynamic(service: ServiceView, args: readonly string[], cli: Cli): Promise<void> {
  if (args.some((arg) => arg === '--help' || arg === '-h')) return showHelp(service, args.filter((arg) => arg !== '--help' && arg !== '-h'), cli);
  const { endpoint, rest } = chooseEndpoint(service, args);
  const method = (await schemaOf(service))?.method(endpoint.path);
  if (!method) {
    throw new Failure(`${service.name} registered no schema for ${endpoint.name}: call it with JSON, like micro call ${service.name} ${endpoint.name} '{}'`, {
      exitCode: exitCodes.methodNotFound,
    });
  }
  const { requestFromFlags } = await import('./request-flags.js');
  const { request, globals } = requestFromFlags(rest, method.input, endpoint.name);
  cli.addFlags(globals);
  const { namespace } = service;
  if (endpoint.kind === 'unary') return cli.out.answer(await cli.connection.call(service.name, endpoint.path, request, { namespace }));
  const { jsonLines, piped } = await import('../remote/json-lines.js');
  const takesStream = endpoint.kind !== 'serverStream' && rest.length === 0 && piped(cli.streams.stdin);
  const requests = takesStream ? jsonLines(cli.streams.stdin) : [request];
  for await (const message of cli.connection.stream(service.name, method, requests, { namespace })) await cli.out.streamed(message);
}

async function showHelp(service: ServiceView, args: readonly string[], cli: Cli): Promise<void> {
  const { endpointHelp, serviceHelp } = await import('./schema-help.js');
  const schema = await schemaOf(service);
  const words = args.filter((arg) => !arg.startsWith('-'));
  if (words.length === 0) return cli.out.line(serviceHelp(service, schema, cli.out.paint));
  const { endpoint } = chooseEndpoint(service, words);
  cli.out.line(endpointHelp(service, endpoint, schema?.method(endpoint.path), cli.out.paint));
}
