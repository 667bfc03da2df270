import type { runtimeProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import { Call } from '@micro/rpc/nest';
import {
  fromCreateRequest,
  fromLogsRequest,
  fromUpdateRequest,
  Runtime,
  toLogMessage,
  toMessage,
  toProgressMessage,
} from '@micro/runtime';
import { Controller } from '@nestjs/common';
import { GrpcMethod, Payload } from '@nestjs/microservices';

/** Each method is one call on the contract, in the namespace of the caller. */
@Controller()
export class RuntimeController {
  constructor(private readonly runtime: Runtime) {}

  @GrpcMethod('Runtime', 'Create')
  async *create(@Payload() request: runtimeProto.CreateRequest, @Call() { namespace }: CallContext) {
    for await (const step of this.runtime.create(fromCreateRequest(request), { namespace }))
      yield toProgressMessage(step);
  }

  @GrpcMethod('Runtime', 'Read')
  async read(@Payload() { name }: runtimeProto.ReadRequest, @Call() { namespace }: CallContext) {
    return { services: (await this.runtime.read({ name }, { namespace })).map(toMessage) };
  }

  @GrpcMethod('Runtime', 'Update')
  async *update(@Payload() request: runtimeProto.UpdateRequest, @Call() { namespace }: CallContext) {
    for await (const step of this.runtime.update(fromUpdateRequest(request), { namespace }))
      yield toProgressMessage(step);
  }

  @GrpcMethod('Runtime', 'Delete')
  async delete(@Payload() { name }: runtimeProto.DeleteRequest, @Call() { namespace }: CallContext) {
    await this.runtime.delete(name, { namespace });
    return {};
  }

  @GrpcMethod('Runtime', 'Logs')
  async *logs(@Payload() request: runtimeProto.LogsRequest, @Call() { namespace, signal }: CallContext) {
    for await (const line of this.runtime.logs(fromLogsRequest(request), { namespace, signal }))
      yield toLogMessage(line);
  }
}
