import type { OwnRoutes } from './gateway.js';
import { notAllowed } from './router.js';

export interface OwnRouteOptions {
  readonly version: string;
  readonly ready: () => boolean;
  /** Prometheus text. */
  readonly metrics: () => Promise<string>;
}

/** `GET /`: version and status. `/healthz`: the process answers. `/readyz`: it wants calls. `/metrics`: Prometheus text. */
export function ownRoutes({ version, ready, metrics }: OwnRouteOptions): OwnRoutes {
  return (http, path) => {
    const answer = (status: number, body: object) =>
      http.answer(status, { type: 'application/json', body: `${JSON.stringify(body)}\n` }, [
        'cache-control',
        'no-store',
      ]);
    switch (path) {
      case '/':
        get(http.request.method);
        answer(200, { name: 'api', version, status: ready() ? 'ok' : 'stopping' });
        return true;
      case '/healthz':
        get(http.request.method);
        answer(200, { status: 'ok' });
        return true;
      case '/readyz':
        get(http.request.method);
        answer(ready() ? 200 : 503, { status: ready() ? 'ready' : 'not ready' });
        return true;
      case '/metrics':
        get(http.request.method);
        metrics().then(
          (text) => http.answer(200, { type: 'text/plain; version=0.0.4; charset=utf-8', body: text }),
          (error: unknown) => void http.fail(error),
        );
        return true;
      default:
        return false;
    }
  };
}

function get(verb: string | undefined): void {
  if (verb !== 'GET' && verb !== 'HEAD') throw notAllowed(String(verb), ['GET']);
}
