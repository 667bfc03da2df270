import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { CallContext } from '../handler.js';

/** Parameter of a handler: the CallContext of the call (deadline, signal, namespace, response headers and trailers). */
export const Call = createParamDecorator((_data: unknown, context: ExecutionContext): CallContext =>
  context.getArgByIndex(2),
);
