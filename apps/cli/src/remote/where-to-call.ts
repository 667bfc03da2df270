import type { FieldDefinition, JsonValue, MessageCodec } from '@micro/proto';
import type { Cli } from '../cli.js';
import { wordsFor } from '../dynamic/endpoint-words.js';
import { localAddress } from '../server/server-file.js';
import type { RuntimeService } from './runtime.js';
import { type EndpointView, schemaOf, type ServiceView } from './service-view.js';

/** Milliseconds that news of a service may take to be everywhere. */
const patience = 3_000;

/** Where a service that was just started can be called: one line for curl and one for micro, with a request that fits its schema. */
export async function whereToCall(cli: Cli, { name, version }: RuntimeService): Promise<string[]> {
  const service = await registered(cli, name, version);
  if (!service) return [`it is not registered, so it cannot be called by name; what it writes: micro logs -f ${name}`];
  const endpoint =
    service.endpoints.find((one) => one.name.endsWith('.Call')) ??
    service.endpoints.find(({ kind }) => kind === 'unary');
  if (!endpoint) return [`endpoints: micro ${name} --help`];
  const method = (await schemaOf(service))?.method(endpoint.path);
  const sample = method ? sampleOf(method.input) : {};
  const api = apiAddress(cli);
  const words = wordsFor(service, endpoint);
  const flags = Object.entries(sample).map(([field, value]) => `--${field}=${String(value)}`);
  const { namespace } = cli.settings;
  const elsewhere = namespace !== 'micro';
  const call = [
    'micro',
    ...(elsewhere ? ['-n', namespace] : []),
    name,
    ...(words === 'call' ? [] : [words]),
    ...flags,
  ].join(' ');
  const header = elsewhere ? ` -H 'Micro-Namespace: ${namespace}'` : '';
  return [
    ...(api === undefined ? [] : [`curl ${api}${pathOf(service, endpoint)}${header} -d '${JSON.stringify(sample)}'`]),
    call,
  ];
}

/** The path of an endpoint at the gateway, which is the other way round of how the gateway resolves one. */
export function pathOf(service: ServiceView, endpoint: EndpointView): string {
  const [handler = '', method = ''] = endpoint.name.split('.');
  const parts = service.name.split('.');
  const own = parts.filter((part, index) => index > 0 || !/^v\d+$/.test(part));
  const sameName = own.length === 1 && own[0]!.replaceAll(/[-_]/g, '').toLowerCase() === handler.toLowerCase();
  return ['', ...parts, ...(sameName ? [] : [hyphened(handler)]), hyphened(method)].join('/');
}

/** A request with its first field filled in, to be changed by hand. */
function sampleOf(message: MessageCodec): { [field: string]: JsonValue } {
  const field = message.fields.find(
    (one) => !one.repeated && one.mapKey === undefined && sampleValue(one) !== undefined,
  );
  return field ? { [field.jsonName]: sampleValue(field)! } : {};
}

function sampleValue(field: FieldDefinition): JsonValue | undefined {
  if (field.type === 'string') return field.name === 'name' ? 'Alice' : 'text';
  if (field.type === 'bool') return true;
  return /^(?:[su]?int|s?fixed)32$/.test(field.type) ? 3 : undefined;
}

async function registered(cli: Cli, name: string, version: string): Promise<ServiceView | undefined> {
  const deadline = Date.now() + patience;
  for (;;) {
    const versions = await cli.connection.services(name);
    const service = versions.find((one) => one.version === version) ?? versions.at(-1);
    if (service || Date.now() > deadline) return service;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Where the gateway of the environment is, as far as can be known: the proxy's neighbour on this machine. */
function apiAddress({ variables, settings }: Cli): string | undefined {
  const address = variables.MICRO_API_ADDRESS || localAddress(settings.home, 'api');
  if (address) return address.replace(/^127\.0\.0\.1:/, 'localhost:');
  return /^(127\.|localhost:|\[::1\])/.test(settings.proxyAddress) ? 'localhost:8080' : undefined;
}

function hyphened(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}
