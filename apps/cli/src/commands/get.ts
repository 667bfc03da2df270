import type { Command } from 'commander';
import type { JsonValue, MessageCodec } from '@micro/proto';
import type { Cli } from '../cli.js';
import { typeText } from '../dynamic/flag-names.js';
import { kindText } from '../dynamic/schema-help.js';
import type { Paint } from '../output/paint.js';
import { schemaOf, type ServiceView } from '../remote/service-view.js';
import { requireService } from '../resolve.js';

export function define(command: Command, cli: Cli): void {
  command
    .command('service')
    .description('show nodes, endpoints and their fields')
    .argument('<name>', 'name of the service')
    .action(async (name: string) => {
      const { namespace } = await requireService(name, cli.connection);
      const versions = await Promise.all(
        (await cli.connection.services(name, namespace)).map((service) => detailed(service)),
      );
      await cli.out.value(
        versions.map(({ data }) => data),
        versions.map(({ text }) => text(cli.out.paint)).join('\n\n'),
      );
    });
}

interface Detailed {
  readonly data: JsonValue;
  readonly text: (paint: Paint) => string;
}

async function detailed(service: ServiceView): Promise<Detailed> {
  const schema = await schemaOf(service);
  const endpoints = service.endpoints.map((endpoint) => ({ ...endpoint, method: schema?.method(endpoint.path) }));
  const { name, version, namespace, metadata, nodes } = service;
  const data: JsonValue = {
    name,
    version,
    namespace,
    metadata: { ...metadata },
    nodes: nodes.map((node) => ({ id: node.id, address: node.address, metadata: { ...node.metadata } })),
    endpoints: endpoints.map(({ method, ...endpoint }) => ({
      name: endpoint.name,
      path: endpoint.path,
      kind: endpoint.kind,
      idempotency: endpoint.idempotency,
      comment: method?.comment ?? '',
      request: method ? fieldsAsData(method.input) : {},
      response: method ? fieldsAsData(method.output) : {},
    })),
  };
  const text = (paint: Paint) =>
    [
      `${paint.bold(name)} ${version}   namespace ${namespace}`,
      ...Object.entries(metadata).map(([key, value]) => `  ${key}: ${value}`),
      '',
      paint.bold('Nodes'),
      ...nodes.map((node) =>
        `  ${node.address}  ${node.id}  ${paint.dim(
          Object.entries(node.metadata)
            .filter(([, value]) => value !== '')
            .map(([key, value]) => `${key}=${value}`)
            .join(' '),
        )}`.trimEnd(),
      ),
      '',
      paint.bold('Endpoints'),
      ...endpoints.flatMap(({ method, ...endpoint }) => [
        `  ${paint.cyan(endpoint.name)}${endpoint.kind === 'unary' ? '' : ` (${kindText(endpoint)})`}${method?.comment ? `  ${paint.dim(method.comment.replaceAll(/\s+/g, ' '))}` : ''}`,
        ...(method
          ? [...fieldLines('request', method.input), ...fieldLines('answer', method.output)]
          : [`    ${endpoint.request} → ${endpoint.response}`]),
      ]),
    ].join('\n');
  return { data, text };
}

function fieldLines(what: string, message: MessageCodec): string[] {
  if (message.fields.length === 0) return [`    ${what}: nothing`];
  return [`    ${what}:`, ...message.fields.map((field) => `      ${field.jsonName}: ${typeText(field)}`)];
}

/** Fields and their types; those of messages inside nested, each message once. */
function fieldsAsData(message: MessageCodec, inside: readonly string[] = []): { [key: string]: JsonValue } {
  return Object.fromEntries(
    message.fields.map((field): [string, JsonValue] => {
      const inner =
        field.type === 'message' && !field.message!().name.startsWith('google.protobuf.')
          ? field.message!()
          : undefined;
      const type = typeText(field);
      return [
        field.jsonName,
        inner && !inside.includes(inner.name)
          ? { type, fields: fieldsAsData(inner, [...inside, message.name]) }
          : { type },
      ];
    }),
  );
}
