import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { type Code, codeFromGrpc, codeFromHttp, isCode, MicroError } from '@micro/errors';
import { type Observable, throwError } from 'rxjs';

/** What Nest's own filter makes of an exception that it does not know; the original is in Nest's log. */
const masked = 'Internal server error';
/** What Nest throws when a guard says no. */
const forbidden = 'Forbidden resource';

/**
 * Global filter that lets every exception reach the transport as it is, where Nest's own would hide all but RpcException: so a MicroError or an
 * HttpException keeps its code, and a fault is logged under the trace id that the caller is told. Filters of the app go first.
 */
@Catch()
export class RpcErrorFilter implements ExceptionFilter {
  catch(exception: unknown, _host: ArgumentsHost): Observable<never> {
    return throwError(() => exception);
  }
}

/** Whatever a controller, guard, pipe, interceptor or filter threw, with its right code; a fault stays what it is. */
export function fromNest(thrown: unknown): unknown {
  if (thrown instanceof MicroError) return thrown;
  if (thrown instanceof HttpException) return fromHttp(thrown);
  if (thrown instanceof RpcException) return fromRpc(thrown.getError());
  return thrown instanceof Error ? thrown : fromRpc(thrown);
}

function fromHttp(exception: HttpException): MicroError {
  const status = exception.getStatus();
  const response = exception.getResponse();
  // ValidationPipe puts one message for each field.
  const message = typeof response === 'string' ? response : (response as { message?: unknown }).message;
  const detail = Array.isArray(message)
    ? message.join('; ')
    : typeof message === 'string'
      ? message
      : exception.message;
  return new MicroError(codeFromHttp(status), detail, { cause: exception });
}

/** RpcException carries a text, a gRPC status ({code, message}), a MicroError, or anything. */
function fromRpc(error: unknown): unknown {
  if (error instanceof Error && !('code' in error)) return error;
  if (typeof error === 'string') return new MicroError(error === forbidden ? 'permission_denied' : 'unknown', error);
  if (typeof error !== 'object' || error === null) return error;
  const { code, message, details } = error as { code?: unknown; message?: unknown; details?: unknown };
  const detail = typeof details === 'string' ? details : typeof message === 'string' ? message : undefined;
  if (detail === undefined) return error;
  if (detail === masked && code === undefined)
    return new MicroError('internal', 'internal error; its cause is in the log of the service');
  if (detail === forbidden && code === undefined) return new MicroError('permission_denied', detail);
  return new MicroError(codeOf(code), detail, { cause: error });
}

function codeOf(code: unknown): Code {
  if (typeof code === 'number') return codeFromGrpc(code);
  return isCode(code) ? code : 'unknown';
}
