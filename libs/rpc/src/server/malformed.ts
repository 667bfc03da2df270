import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MicroError } from '@micro/errors';
import type { Logger } from '@micro/telemetry';
import { connectErrorBody } from '../connect-wire.js';
import type { CallLimits } from './call.js';

/** Milliseconds for which a refused connection is read on: closing it at once would take the answer away from a peer still sending. */
const lingerMs = 1_000;

/** Answers what is not HTTP, too big or too slow with a clear error, logs it once, and closes the connection. */
export function rejectMalformed(
  http: Server,
  { logger, limits }: { readonly logger: Logger; readonly limits: CallLimits },
): void {
  const refused = new WeakSet<Socket>();
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refused.has(socket) || socket.destroyed) return;
    refused.add(socket);
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE' || !socket.writable || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const { status, error: answer } = explain(error, limits);
    logger.warn('connection refused', {
      peer: `${socket.remoteAddress}:${socket.remotePort}`,
      status,
      detail: answer.detail,
    });
    const body = JSON.stringify(connectErrorBody(answer));
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
    socket.end(head + body);
    socket.resume();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  });
}

/** Whether a part of an answer has been sent, into which another one would be written. Node's own listener looks at the same property. */
function isAnswering(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent ?? false;
}

function explain(error: NodeJS.ErrnoException, limits: CallLimits): { status: string; error: MicroError } {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: '431 Request Header Fields Too Large',
        error: new MicroError(
          'resource_exhausted',
          `the headers are larger than ${limits.headerBytes} bytes, the limit`,
        ),
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: '408 Request Timeout',
        error: new MicroError('deadline_exceeded', 'the request was not complete in time: send it faster'),
      };
    default:
      return {
        status: '400 Bad Request',
        error: new MicroError('invalid_argument', `this is not HTTP/1.1: ${error.message}`),
      };
  }
}
