import type { JsonValue } from '@micro/proto';
import { statusName, type RuntimeInstance, type RuntimeService } from './runtime.js';

/** A service that the runtime runs, as JSON and YAML show it. */
export function serviceData(service: RuntimeService): JsonValue {
  return {
    name: service.name,
    version: service.version,
    source: service.source,
    command: [...service.command],
    watch: service.watch,
    status: statusName(service.status),
    message: service.message,
    wanted: service.wanted,
    updated: timeText(service.updatedMs),
    metadata: { ...service.metadata },
    instances: service.instances.map((instance) => ({
      id: instance.id,
      status: statusName(instance.status),
      message: instance.message,
      pid: instance.pid,
      address: instance.address,
      restarts: instance.restarts,
      started: timeText(instance.startedMs),
    })),
  };
}

/** `1/2`: how many instances run, and how many are wanted. */
export function instanceCount({ instances, wanted }: RuntimeService): string {
  return `${instances.filter(({ status }) => statusName(status) === 'running').length}/${wanted}`;
}

/** `3 min ago`. */
export function ago(ms: number | bigint, now = Date.now()): string {
  if (Number(ms) === 0) return '–';
  const seconds = Math.max(0, Math.round((now - Number(ms)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}

/** Why something is not well, on one line. */
export function reason({ message }: RuntimeService | RuntimeInstance): string {
  const [first = ''] = message.split('\n');
  return first.length > 70 ? `${first.slice(0, 69)}…` : first;
}

function timeText(ms: bigint): string {
  return ms === 0n ? '' : new Date(Number(ms)).toISOString();
}
