import type { Cli } from '../cli.js';
import { exitCodes, Failure } from '../failure.js';
import type { GlobalFlags } from '../global-flags.js';
import { schemaOf, type ServiceView } from '../remote/service-view.js';
import { chooseEndpoint } from './endpoint-words.js';

/** What a dynamic command runs with: `assumed` are flags among its arguments that were taken to say where the service is. */
export interface Surroundings {
  readonly cli: Cli;
  readonly assumed: GlobalFlags;
}

/**
 * `micro SERVICE …`: calls an endpoint with a request made from flags, or shows the help that the schema gives. Answers false, having done
 * nothing, if an assumed flag is a field of the request.
 */
export async function runDynamic(
  service: ServiceView,
  args: readonly string[],
  { cli, assumed }: Surroundings,
): Promise<boolean> {
  if (args.some(isHelp)) {
    await showHelp(
      service,
      args.filter((arg) => !isHelp(arg)),
      cli,
    );
    return true;
  }
  const { endpoint, rest } = chooseEndpoint(service, args);
  const method = (await schemaOf(service))?.method(endpoint.path);
  if (!method) {
    throw new Failure(
      `${service.name} registered no schema for ${endpoint.name}: call it with JSON, like micro call ${service.name} ${endpoint.name} '{}'`,
      {
        exitCode: exitCodes.methodNotFound,
      },
    );
  }
  const { requestFromFlags } = await import('./request-flags.js');
  const { request, globals } = requestFromFlags(rest, method.input, endpoint.name);
  if (Object.keys(assumed).some((key) => !(key in globals))) return false;
  cli.addFlags(globals);
  if (endpoint.kind === 'unary') {
    const settings = { namespace: service.namespace, idempotency: endpoint.idempotency };
    await cli.out.answer(await cli.connection.call(service.name, endpoint.path, request, settings));
    return true;
  }
  const { jsonLines, piped } = await import('../remote/json-lines.js');
  const fromInput = endpoint.kind !== 'serverStream' && rest.length === 0 && piped(cli.streams.stdin);
  const requests = fromInput ? jsonLines(cli.streams.stdin) : [request];
  for await (const message of cli.connection.stream(service.name, method, requests, { namespace: service.namespace }))
    await cli.out.streamed(message);
  return true;
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h';
}

async function showHelp(service: ServiceView, args: readonly string[], cli: Cli): Promise<void> {
  const { endpointHelp, serviceHelp } = await import('./schema-help.js');
  const schema = await schemaOf(service);
  const flag = args.findIndex((arg) => arg.startsWith('-'));
  const words = flag < 0 ? args : args.slice(0, flag);
  if (words.length === 0) return cli.out.line(serviceHelp(service, schema, cli.out.paint));
  const { endpoint } = chooseEndpoint(service, words);
  cli.out.line(endpointHelp(service, endpoint, schema?.method(endpoint.path), cli.out.paint));
}
