import { MicroError } from '@micro/errors';
import type { MethodDefinition, ServiceDefinition } from '@micro/proto';

/** Pattern of a handler as Nest's gRPC decorators write it. */
interface GrpcPattern {
  readonly service: string;
  readonly rpc: string;
  readonly streaming: 'no_stream' | 'rx_stream' | 'pt_stream';
}

const decorators = { no_stream: '@GrpcMethod', rx_stream: '@GrpcStreamMethod', pt_stream: '@GrpcStreamCall' } as const;

/**
 * The method that each pattern is for, by Nest's rules: the service by its short or its full name, the method by its exact name. MicroError
 * `failed_precondition` for a pattern that is for none, or by the wrong decorator: a handler that nothing can reach is a mistake.
 */
export function matchPatterns<H>(
  patterns: ReadonlyMap<string, H>,
  services: readonly ServiceDefinition[],
): Map<MethodDefinition, H> {
  const matched = new Map<MethodDefinition, H>();
  for (const [text, handler] of patterns) {
    const pattern = parsePattern(text);
    const method = methodOf(pattern, services);
    if (matched.has(method)) throw misfit(pattern, `${method.path} has two handlers: remove one`);
    matched.set(method, handler);
  }
  return matched;
}

/** Whether a pattern is for a method that answers with a stream; not if it is for none. */
export function answersWithStream(pattern: unknown, services: readonly ServiceDefinition[]): boolean {
  const { service, rpc } = (pattern ?? {}) as Partial<GrpcPattern>;
  const candidates = services.filter(({ name, shortName }) => name === service || shortName === service);
  return candidates.some(({ methods }) =>
    methods.some(({ name, kind }) => name === rpc && (kind === 'serverStream' || kind === 'bidiStream')),
  );
}

function parsePattern(text: string): GrpcPattern {
  try {
    const pattern = JSON.parse(text) as Partial<GrpcPattern>;
    if (pattern.service && pattern.rpc && pattern.streaming) return pattern as GrpcPattern;
  } catch {
    // A pattern of @MessagePattern('text').
  }
  throw new MicroError(
    'failed_precondition',
    `the pattern ${text} is no method of a .proto: use @GrpcMethod or @GrpcStreamMethod`,
  );
}

function methodOf(pattern: GrpcPattern, services: readonly ServiceDefinition[]): MethodDefinition {
  const candidates = services.filter(
    ({ name, shortName }) => name === pattern.service || shortName === pattern.service,
  );
  if (candidates.length === 0) {
    const names = services.map(({ name }) => name).join(', ') || 'none';
    throw misfit(
      pattern,
      `there is no service ${pattern.service}: the .proto files have ${names}. Name the service in the decorator, or the class like the service`,
    );
  }
  const method = candidates.flatMap(({ methods }) => methods).find(({ name }) => name === pattern.rpc);
  if (!method) {
    const names = candidates.flatMap(({ methods }) => methods.map(({ name }) => name)).join(', ');
    throw misfit(pattern, `${pattern.service} has no method ${pattern.rpc}: it has ${names}`);
  }
  const streamsIn = method.kind === 'clientStream' || method.kind === 'bidiStream';
  const wanted = streamsIn ? 'rx_stream' : 'no_stream';
  if (pattern.streaming !== wanted) {
    throw misfit(
      pattern,
      `${method.path} takes ${streamsIn ? 'a stream of requests' : 'one request'}: use ${decorators[wanted]}`,
    );
  }
  return method;
}

function misfit({ service, rpc, streaming }: GrpcPattern, detail: string): MicroError {
  return new MicroError(
    'failed_precondition',
    `${decorators[streaming] ?? streaming}('${service}', '${rpc}'): ${detail}`,
  );
}
