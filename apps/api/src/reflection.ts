import { Injectable } from '@nestjs/common';
import { MicroError } from '@micro/errors';
import {
  endpointsOf,
  type JsonValue,
  type MethodDefinition,
  parseSchema,
  type Schema,
  schemaFromDescriptorSet,
} from '@micro/proto';
import { RegistryCache } from '@micro/registry';
import { Client } from '@micro/rpc';
import { type Method, ServiceMethods } from './method.js';

/** Milliseconds for all questions to a node. */
const timeout = 3_000;
const mostFiles = 1_000;

interface Known {
  /** The node that was asked. */
  readonly node: string;
  readonly methods: Promise<ServiceMethods>;
}

/**
 * Schemas of services that have registered none, asked of one of their nodes by gRPC server reflection
 * (github.com/grpc/grpc/blob/master/doc/server-reflection.md), once for as long as that node is there.
 */
@Injectable()
export class Reflection {
  readonly #client: Client;
  readonly #cache: RegistryCache;
  readonly #known = new Map<string, Known>();

  constructor(client: Client, cache: RegistryCache) {
    this.#client = client;
    this.#cache = cache;
  }

  /** A service with all methods of all its gRPC services. MicroError `failed_precondition` if its node does not tell. */
  async methods(service: string, namespace: string): Promise<ServiceMethods> {
    const key = `${namespace} ${service}`;
    const targets = await this.#cache.targets(service, namespace);
    const before = this.#known.get(key);
    if (before && targets.some(({ id }) => id === before.node)) return before.methods;
    const target = targets[0];
    if (!target)
      throw new MicroError('unavailable', `no node of "${service}" is left to ask for its schema`, { id: 'api' });
    const methods = this.#ask(service, target.address);
    this.#known.set(key, { node: target.id, methods });
    methods.catch(() => this.#known.delete(key));
    return methods;
  }

  /** The definition of a method, as registered, else as told. MicroError `failed_precondition` if there is none. */
  async definition(method: Method, namespace: string): Promise<MethodDefinition> {
    if (method.definition) return method.definition;
    const { service, path, endpoint } = method;
    const definition = (await this.methods(service, namespace)).find(endpoint.name)?.definition;
    if (definition?.path === path) return definition;
    throw new MicroError('failed_precondition', `the schema that "${service}" tells by reflection has no ${path}`, {
      id: 'api',
    });
  }

  async #ask(name: string, address: string): Promise<ServiceMethods> {
    try {
      const schema = await this.#schema(address);
      const endpoints = [...schema.services.values()].flatMap((definition) => endpointsOf(definition));
      const service = { name, version: '', metadata: {}, endpoints, nodes: [] };
      return new ServiceMethods(name, [{ service, schema: { get: () => schema, mayDeclareRoutes: false } }]);
    } catch (error) {
      const { detail } = MicroError.from(error);
      throw new MicroError(
        'failed_precondition',
        `"${name}" has registered no schema, and its node tells none by reflection: ${detail}`,
        { id: 'api', cause: error },
      );
    }
  }

  async #schema(address: string): Promise<Schema> {
    const { v1, v1alpha, file } = protocol();
    let method = v1;
    const ask = (questions: readonly object[]) => this.#answers(method, questions, address);
    const [first] = await ask([{ listServices: '*' }]).catch((error: unknown) => {
      if (MicroError.from(error).code !== 'unimplemented') throw error;
      method = v1alpha;
      return ask([{ listServices: '*' }]);
    });
    const services = (first?.listServicesResponse?.service ?? [])
      .map((one) => one.name ?? '')
      .filter((one) => !one.startsWith('grpc.reflection.') && one !== 'grpc.health.v1.Health');
    const files = new Map<string, { readonly bytes: Buffer; readonly dependencies: readonly string[] }>();
    let questions: object[] = services.map((symbol) => ({ fileContainingSymbol: symbol }));
    while (questions.length > 0 && files.size < mostFiles) {
      for (const answer of await ask(questions)) {
        for (const encoded of answer.fileDescriptorResponse?.fileDescriptorProto ?? []) {
          const bytes = Buffer.from(encoded, 'base64');
          const { name = '', dependency = [] } = file.toJson(file.decode(bytes)) as {
            name?: string;
            dependency?: string[];
          };
          files.set(name, { bytes, dependencies: dependency });
        }
      }
      const missing = new Set(
        [...files.values()].flatMap(({ dependencies }) => dependencies).filter((name) => !files.has(name)),
      );
      questions = [...missing].map((name) => ({ fileByFilename: name }));
    }
    return schemaFromDescriptorSet(descriptorSet([...files.values()].map(({ bytes }) => bytes)));
  }

  async #answers(method: MethodDefinition, questions: readonly object[], address: string): Promise<Answer[]> {
    const answers: Answer[] = [];
    for await (const message of this.#client.bidiStream(method, questions, { address, timeout })) {
      const answer = method.output.toJson(message) as Answer;
      if (answer.errorResponse)
        throw new MicroError('failed_precondition', answer.errorResponse.errorMessage ?? 'reflection failed');
      answers.push(answer);
    }
    return answers;
  }
}

/** The JSON of a ServerReflectionResponse. */
type Answer = { readonly [key: string]: JsonValue } & {
  readonly listServicesResponse?: { readonly service?: readonly { readonly name?: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto?: readonly string[] };
  readonly errorResponse?: { readonly errorMessage?: string };
};

let loaded:
  | { readonly v1: MethodDefinition; readonly v1alpha: MethodDefinition; readonly file: ReturnType<Schema['message']> }
  | undefined;

/** The protocol, as far as it is spoken here. Parsed when the first such node is met. */
function protocol(): NonNullable<typeof loaded> {
  if (loaded) return loaded;
  const messages = `
    message ServerReflectionRequest {
      oneof message_request { string file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; }
    }
    message ServerReflectionResponse {
      oneof message_response {
        FileDescriptorResponse file_descriptor_response = 4; ListServiceResponse list_services_response = 6; ErrorResponse error_response = 7;
      }
    }
    message FileDescriptorResponse { repeated bytes file_descriptor_proto = 1; }
    message ListServiceResponse { repeated ServiceResponse service = 1; }
    message ServiceResponse { string name = 1; }
    message ErrorResponse { int32 error_code = 1; string error_message = 2; }
    message File { string name = 1; repeated string dependency = 3; }
    service ServerReflection { rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse); }`;
  const of = (version: string) =>
    parseSchema({ 'reflection.proto': `syntax = "proto3"; package grpc.reflection.${version};${messages}` });
  const method = (schema: Schema, version: string) =>
    schema.method(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`) as MethodDefinition;
  const v1 = of('v1');
  loaded = {
    v1: method(v1, 'v1'),
    v1alpha: method(of('v1alpha'), 'v1alpha'),
    file: v1.message('grpc.reflection.v1.File'),
  };
  return loaded;
}

/** google.protobuf.FileDescriptorSet: `repeated FileDescriptorProto file = 1`. */
function descriptorSet(files: readonly Buffer[]): Uint8Array {
  const field = (bytes: Buffer) => {
    const head = [0x0a];
    let { length } = bytes;
    for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length % 128) | 0x80);
    return Buffer.concat([Buffer.from([...head, length]), bytes]);
  };
  return new Uint8Array(Buffer.concat(files.map(field)));
}
