import type { runtimeProto } from '@micro/proto';
import type {
  CreateService,
  Instance,
  LogLine,
  LogsQuery,
  Progress,
  Service,
  Status,
  UpdateService,
} from './runtime.js';

/** Records of the contract as messages of runtime.proto, and back. */

/** By number. */
const statuses: readonly Status[] = ['pending', 'building', 'starting', 'running', 'stopping', 'stopped', 'error'];

export function toMessage(service: Service): runtimeProto.Service {
  return {
    ...service,
    command: [...service.command],
    metadata: { ...service.metadata },
    status: statuses.indexOf(service.status),
    instances: service.instances.map((instance) => ({
      ...instance,
      status: statuses.indexOf(instance.status),
      startedMs: BigInt(instance.startedMs),
    })),
    updatedMs: BigInt(service.updatedMs),
  };
}

export function fromMessage(message: runtimeProto.Service): Service {
  return {
    ...message,
    metadata: { ...message.metadata },
    status: statusOf(message.status),
    instances: message.instances.map((instance): Instance => ({
      ...instance,
      status: statusOf(instance.status),
      startedMs: Number(instance.startedMs),
    })),
    updatedMs: Number(message.updatedMs),
  };
}

export function toProgressMessage({ status, step, service }: Progress): runtimeProto.Progress {
  return { status: statuses.indexOf(status), step, ...(service ? { service: toMessage(service) } : {}) };
}

export function fromProgressMessage({ status, step, service }: runtimeProto.Progress): Progress {
  return { status: statusOf(status), step, ...(service ? { service: fromMessage(service) } : {}) };
}

/** What a message leaves out, it leaves to the contract's default. */
export function fromCreateRequest(request: runtimeProto.CreateRequest): CreateService {
  return { ...request, instances: request.instances || undefined };
}

export function fromUpdateRequest(request: runtimeProto.UpdateRequest): UpdateService {
  return { ...request };
}

export function fromLogsRequest({ name, follow, lines, sinceMs }: runtimeProto.LogsRequest): LogsQuery {
  return { name, follow, lines, sinceMs: Number(sinceMs) };
}

export function toLogMessage(line: LogLine): runtimeProto.LogLine {
  return { ...line, timeMs: BigInt(line.timeMs) };
}

export function fromLogMessage({ timeMs, instance, stream, text }: runtimeProto.LogLine): LogLine {
  return { timeMs: Number(timeMs), instance, stream: stream === 'stderr' ? 'stderr' : 'stdout', text };
}

/** A status of a later version is one that is not known to be good. */
function statusOf(number: number): Status {
  return statuses[number] ?? 'error';
}
