import type { ServerResponse } from 'node:http';
import type { Metrics } from '@micro/telemetry';
import type { HttpRoute } from './connect-lane.js';

export interface ProbeOptions {
  readonly ready: () => boolean;
  readonly metrics: Metrics | undefined;
}

/** `GET /healthz`: the process answers. `GET /readyz`: it wants calls. `GET /metrics`: Prometheus text, where metrics are kept. */
export function probes(options: ProbeOptions): HttpRoute {
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    switch (request.url) {
      case '/healthz':
        send(response, 200, { status: 'ok' });
        return true;
      case '/readyz':
        if (options.ready()) send(response, 200, { status: 'ready' });
        else send(response, 503, { status: 'not ready' });
        return true;
      case '/metrics':
        if (!options.metrics) return false;
        options.metrics.render().then(
          (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
          () => send(response, 500, { status: 'metrics cannot be rendered' }),
        );
        return true;
      default:
        return false;
    }
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(`${JSON.stringify(body)}\n`);
}
