import {
  type BidiStream,
  parseSchema,
  Schema,
  schemaFromDescriptorSet,
  type ServiceDefinition,
  type ServiceSchema,
} from '@micro/proto';
import type { Handlers } from '../handler.js';

/** grpc/reflection/v1/reflection.proto of the gRPC project; v1alpha differs in nothing but its package. */
const proto = (version: string) => `syntax = "proto3";
package grpc.reflection.${version};
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
message ServerReflectionRequest {
  string host = 1;
  oneof message_request {
    string file_by_filename = 3;
    string file_containing_symbol = 4;
    ExtensionRequest file_containing_extension = 5;
    string all_extension_numbers_of_type = 6;
    string list_services = 7;
  }
}
message ExtensionRequest {
  string containing_type = 1;
  int32 extension_number = 2;
}
message ServerReflectionResponse {
  string valid_host = 1;
  ServerReflectionRequest original_request = 2;
  oneof message_response {
    FileDescriptorResponse file_descriptor_response = 4;
    ExtensionNumberResponse all_extension_numbers_response = 5;
    ListServiceResponse list_services_response = 6;
    ErrorResponse error_response = 7;
  }
}
message FileDescriptorResponse {
  repeated bytes file_descriptor_proto = 1;
}
message ExtensionNumberResponse {
  string base_type_name = 1;
  repeated int32 extension_number = 2;
}
message ListServiceResponse {
  repeated ServiceResponse service = 1;
}
message ServiceResponse {
  string name = 1;
}
message ErrorResponse {
  int32 error_code = 1;
  string error_message = 2;
}
`;

interface ReflectionRequest {
  readonly host: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly fileContainingExtension?: { readonly containingType: string; readonly extensionNumber: number };
  readonly allExtensionNumbersOfType?: string;
  readonly listServices?: string;
}
interface ReflectionResponse {
  readonly validHost?: string;
  readonly originalRequest?: ReflectionRequest;
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
  readonly allExtensionNumbersResponse?: { readonly baseTypeName: string; readonly extensionNumber: readonly number[] };
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
}
type ReflectionMethods = { serverReflectionInfo: BidiStream<ReflectionRequest, ReflectionResponse> };

const notFound = 5;

export const reflectionVersions = ['v1', 'v1alpha'] as const;

export function reflectionService(version: (typeof reflectionVersions)[number]): ServiceDefinition<ReflectionMethods> {
  const file = `grpc/reflection/${version}/reflection.proto`;
  return parseSchema({ [file]: proto(version) }).service<ReflectionMethods>(
    `grpc.reflection.${version}.ServerReflection`,
  );
}

/** Describes what `services` gives at the time of each question. */
export function reflectionHandlers(
  services: () => readonly ServiceDefinition[],
): Handlers<ServiceDefinition<ReflectionMethods>> {
  return {
    async *serverReflectionInfo(requests) {
      for await (const request of requests)
        yield { validHost: request.host, originalRequest: request, ...answer(request, services()) };
    },
  };
}

function answer(request: ReflectionRequest, services: readonly ServiceDefinition[]): ReflectionResponse {
  if (request.listServices !== undefined) {
    const names = services.map(({ name }) => name).sort();
    return { listServicesResponse: { service: names.map((name) => ({ name })) } };
  }
  const schemas = [...new Set(services.map(({ schema }) => schema))].map(opened);
  if (request.fileByFilename !== undefined) {
    const name = request.fileByFilename;
    return (
      files(
        schemas.find((schema) => schema.files().has(name)),
        name,
      ) ?? missing(`file ${name}`)
    );
  }
  if (request.fileContainingSymbol !== undefined)
    return symbol(schemas, request.fileContainingSymbol) ?? missing(`symbol ${request.fileContainingSymbol}`);
  if (request.allExtensionNumbersOfType !== undefined) {
    const type = request.allExtensionNumbersOfType;
    return symbol(schemas, type)
      ? { allExtensionNumbersResponse: { baseTypeName: type, extensionNumber: [] } }
      : missing(`type ${type}`);
  }
  const extension = request.fileContainingExtension;
  if (extension) return missing(`extension ${extension.extensionNumber} of ${extension.containingType}`);
  return { errorResponse: { errorCode: 3, errorMessage: 'the request asks nothing' } };
}

function symbol(schemas: readonly Schema[], name: string): ReflectionResponse | undefined {
  for (const schema of schemas) {
    const file = schema.fileOf(name);
    if (file !== undefined) return files(schema, file);
  }
  return undefined;
}

/** The file first, then everything that it may import. */
function files(schema: Schema | undefined, name: string): ReflectionResponse | undefined {
  const all = schema?.files();
  const first = all?.get(name);
  if (!all || !first) return undefined;
  const others = [...all].filter(([other]) => other !== name).map(([, bytes]) => bytes);
  return { fileDescriptorResponse: { fileDescriptorProto: [first, ...others] } };
}

function missing(what: string): ReflectionResponse {
  return { errorResponse: { errorCode: notFound, errorMessage: `${what.slice(0, 300)} is not known here` } };
}

const parsed = new WeakMap<ServiceSchema, Schema>();

function opened(schema: ServiceSchema): Schema {
  if (schema instanceof Schema) return schema;
  let known = parsed.get(schema);
  if (!known) parsed.set(schema, (known = schemaFromDescriptorSet(schema.descriptorSet())));
  return known;
}
