import type {
  HttpRule,
  Idempotency,
  MethodDefinition,
  MethodKind,
  ServiceDefinition,
  ServiceSchema,
} from './definition.js';
import type { MethodDescriptor, Options } from './descriptor.js';
import type { MessageType } from './message-type.js';
import type { Definition } from './source/pool.js';
import type { Types } from './types.js';

/** A service as the rest of Micro sees it. Its messages are linked when they are first asked for. */
export function linkService(
  name: string,
  { descriptor, file, path }: Extract<Definition, { kind: 'service' }>,
  { schema, types }: { schema: ServiceSchema; types: Types },
): ServiceDefinition {
  const methods: MethodDefinition[] = [];
  const service: ServiceDefinition = {
    name,
    shortName: descriptor.name,
    package: file.file.package ?? '',
    comment: types.comment(file, path),
    methods,
    schema,
  };
  descriptor.method.forEach((method, index) =>
    methods.push(linkMethod(method, service, { types, comment: types.comment(file, [...path, 2, index]) })),
  );
  return service;
}

function linkMethod(
  method: MethodDescriptor,
  service: ServiceDefinition,
  { types, comment }: { types: Types; comment: string },
): MethodDefinition {
  const message = (typeName: string): MessageType => types.message(typeName.slice(1))!;
  return {
    name: method.name,
    localName: method.name[0]!.toLowerCase() + method.name.slice(1),
    path: `/${service.name}/${method.name}`,
    kind: kindOf(method),
    idempotency: idempotencyOf(method.options),
    comment,
    http: httpRules(method.options),
    get input() {
      return message(method.inputType);
    },
    get output() {
      return message(method.outputType);
    },
    service,
  };
}

function kindOf({ clientStreaming = false, serverStreaming = false }: MethodDescriptor): MethodKind {
  if (clientStreaming) return serverStreaming ? 'bidiStream' : 'clientStream';
  return serverStreaming ? 'serverStream' : 'unary';
}

/** google.protobuf.MethodOptions.IdempotencyLevel */
const levels: Readonly<Record<number, Idempotency>> = { 1: 'noSideEffects', 2: 'idempotent' };

function idempotencyOf(options: Options | undefined): Idempotency {
  return levels[(options?.['idempotencyLevel'] as number | undefined) ?? 0] ?? 'unknown';
}

/** google.api.HttpRule */
interface Rule {
  readonly get?: string;
  readonly put?: string;
  readonly post?: string;
  readonly delete?: string;
  readonly patch?: string;
  readonly custom?: { readonly kind?: string; readonly path?: string };
  readonly body?: string;
  readonly responseBody?: string;
  readonly additionalBindings?: readonly Rule[];
}

function httpRules(options: Options | undefined): HttpRule[] {
  const rule = options?.['[google.api.http]'] as Rule | undefined;
  if (!rule) return [];
  return [rule, ...(rule.additionalBindings ?? [])].flatMap((one) => {
    const [method, path] = bindingOf(one);
    return path ? [{ method, path, body: one.body ?? '', responseBody: one.responseBody ?? '' }] : [];
  });
}

function bindingOf({ custom, ...rule }: Rule): [method: string, path: string | undefined] {
  for (const method of ['get', 'put', 'post', 'delete', 'patch'] as const)
    if (rule[method] !== undefined) return [method.toUpperCase(), rule[method]];
  return [custom?.kind ?? '', custom?.path];
}
