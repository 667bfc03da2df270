import type { MessageCodec, MethodDefinition, Schema } from '@micro/proto';
import type { Paint } from '../output/paint.js';
import type { EndpointView, ServiceView } from '../remote/service-view.js';
import { wordsFor } from './endpoint-words.js';
import { flagsOf, typeText } from './flag-names.js';

/** Help of a service: what it says of itself, and its endpoints. */
export function serviceHelp(service: ServiceView, schema: Schema | undefined, paint: Paint): string {
  const comment = serviceComment(service, schema);
  const rows = service.endpoints.map((endpoint): Row => {
    const method = schema?.method(endpoint.path);
    return [wordsFor(service, endpoint), firstSentence(method?.comment ?? '') || endpoint.name, kindText(endpoint)];
  });
  return [
    `${paint.bold(service.name)}${service.version && ` ${service.version}`}${comment && ` – ${comment}`}`,
    '',
    `Usage: micro ${service.name} [HANDLER] METHOD [--FIELD=VALUE …]   (without METHOD: call)`,
    '',
    'Endpoints:',
    ...columns(rows, paint),
    '',
    `Fields of an endpoint: micro ${service.name} METHOD --help`,
  ].join('\n');
}

/** Help of one endpoint: its flags, and the fields of what it answers. */
export function endpointHelp(
  service: ServiceView,
  endpoint: EndpointView,
  method: MethodDefinition | undefined,
  paint: Paint,
): string {
  const usage = `Usage: micro ${service.name} ${wordsFor(service, endpoint)} [--FIELD=VALUE …]`;
  const heading = `${paint.bold(endpoint.name)}${kindText(endpoint) && ` (${kindText(endpoint)})`}`;
  if (!method) {
    const call = `micro call ${service.name} ${endpoint.name} '{}'`;
    return [heading, '', `The service registered no schema: call it with JSON instead: ${call}`].join('\n');
  }
  const flags = flagsOf(method.input).map(({ flag, type, comment }): Row => [flag, oneLine(comment), type]);
  return [
    `${heading}${method.comment && ` – ${oneLine(method.comment)}`}`,
    '',
    usage,
    '',
    flags.length > 0 ? `Fields of ${method.input.name}:` : `${method.input.name} has no fields.`,
    ...columns(flags, paint),
    '',
    `Answers ${endpoint.kind === 'serverStream' || endpoint.kind === 'bidiStream' ? 'a stream of ' : ''}${method.output.name}:`,
    ...columns(answerRows(method.output), paint),
    ...(flags.some(([, , type]) => /repeated|map/.test(type))
      ? ['', 'Repeat a flag for several values, or separate them by commas; a map takes KEY=VALUE.']
      : []),
  ].join('\n');
}

type Row = readonly [name: string, comment: string, type: string];

function answerRows(message: MessageCodec): Row[] {
  if (message.fields.length === 0) return [['(nothing)', '', '']];
  return message.fields.map((field): Row => [field.jsonName, oneLine(field.comment), typeText(field)]);
}

/** Name, type and comment, aligned. */
function columns(rows: readonly Row[], paint: Paint): string[] {
  const width = (at: 0 | 2) => Math.min(40, Math.max(0, ...rows.map((row) => row[at].length)));
  const [nameWidth, typeWidth] = [width(0), width(2)];
  return rows.map(([name, comment, type]) =>
    `  ${name.padEnd(nameWidth)}  ${paint.dim(type.padEnd(typeWidth))}  ${comment}`.trimEnd(),
  );
}

function serviceComment(service: ServiceView, schema: Schema | undefined): string {
  const path = service.endpoints[0]?.path.split('/')[1];
  const definition = path === undefined ? undefined : schema?.services.get(path);
  return firstSentence(definition?.comment ?? '');
}

/** How a call goes, where it is more than a question and an answer. */
export function kindText({ kind }: Pick<EndpointView, 'kind'>): string {
  return {
    unary: '',
    serverStream: 'streams answers',
    clientStream: 'takes a stream',
    bidiStream: 'streams both ways',
  }[kind];
}

function firstSentence(comment: string): string {
  return /^.*?[.:](?=\s|$)/.exec(oneLine(comment))?.[0].replace(/[.:]$/, '') ?? oneLine(comment);
}

function oneLine(comment: string): string {
  return comment.replaceAll(/\s+/g, ' ').trim();
}
