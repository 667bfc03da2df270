import { MicroError } from '@micro/errors';
import { parseSchema, type ServerStream, type ServiceDefinition, type Unary } from '@micro/proto';
import type { Handlers } from '../handler.js';

/** grpc/health/v1/health.proto of the gRPC project. */
const proto = `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest {
  string service = 1;
}
message HealthCheckResponse {
  enum ServingStatus {
    UNKNOWN = 0;
    SERVING = 1;
    NOT_SERVING = 2;
    SERVICE_UNKNOWN = 3;
  }
  ServingStatus status = 1;
}
service Health {
  // Whether a service, or with an empty name the whole server, wants calls; not_found for a service that is not here.
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // The same, now and whenever it changes.
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
`;

interface HealthRequest {
  readonly service: string;
}
interface HealthResponse {
  readonly status: number;
}
type HealthMethods = {
  check: Unary<HealthRequest, HealthResponse>;
  watch: ServerStream<HealthRequest, HealthResponse>;
};

const status = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;

/** Whether the server wants calls, and who waits for that to change. */
export class Serving {
  #serving = false;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  get serving(): boolean {
    return this.#serving;
  }

  get closed(): boolean {
    return this.#closed;
  }

  set(serving: boolean): void {
    if (this.#closed || serving === this.#serving) return;
    this.#serving = serving;
    this.#tell();
  }

  /** Not serving, for good: watches end. */
  close(): void {
    this.#serving = false;
    this.#closed = true;
    this.#tell();
  }

  /** Resolves at the next change, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  #tell(): void {
    for (const done of [...this.#waiting]) done();
  }
}

export function healthService(): ServiceDefinition<HealthMethods> {
  return parseSchema({ 'grpc/health/v1/health.proto': proto }).service<HealthMethods>('grpc.health.v1.Health');
}

/** `has` tells whether a service of that full name is served. */
export function healthHandlers(
  serving: Serving,
  has: (service: string) => boolean,
): Handlers<ServiceDefinition<HealthMethods>> {
  const statusOf = (service: string) => {
    if (service !== '' && !has(service)) return status.serviceUnknown;
    return serving.serving ? status.serving : status.notServing;
  };
  return {
    check({ service }) {
      const now = statusOf(service);
      if (now === status.serviceUnknown)
        throw new MicroError('not_found', `there is no service ${JSON.stringify(service.slice(0, 200))} here`);
      return { status: now };
    },
    async *watch({ service }, { signal }) {
      let last: number | undefined;
      for (;;) {
        const now = statusOf(service);
        if (now !== last) yield { status: now };
        last = now;
        if (serving.closed || signal.aborted) return;
        if (statusOf(service) === now) await serving.changed(signal);
      }
    },
  };
}
