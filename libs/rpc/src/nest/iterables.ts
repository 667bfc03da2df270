import 'reflect-metadata';
import {
  type CallHandler,
  type ExecutionContext,
  type INestMicroservice,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { mergeMap, Observable, of } from 'rxjs';
import type { ServiceDefinition } from '@micro/proto';
import { answersWithStream } from './patterns.js';
import { isAsyncIterable } from './streams.js';

/**
 * Has the errors of streams that controllers return as AsyncIterables go through interceptors and exception filters. To be called before the app
 * listens, which is when Nest reads what is declared on a method. Only streams are intercepted: unary calls shall not pay for it.
 */
export function interceptIterables(app: INestMicroservice, services: readonly ServiceDefinition[]): void {
  const scanner = new MetadataScanner();
  for (const { controllers } of app.get(ModulesContainer).values()) {
    for (const { metatype } of controllers.values()) {
      const prototype = metatype?.prototype as object | undefined;
      if (!prototype) continue;
      for (const name of scanner.getAllMethodNames(prototype)) {
        const handler = (prototype as Readonly<Record<string, object>>)[name] as object;
        const patterns = (Reflect.getMetadata(patternKey, handler) ?? []) as readonly unknown[];
        if (intercepted.has(handler) || !patterns.some((pattern) => answersWithStream(pattern, services))) continue;
        UseInterceptors(new IterableInterceptor())(prototype, name, { value: handler });
        intercepted.add(handler);
      }
    }
  }
}

/** Where Nest's decorators keep the patterns of a method. */
const patternKey = 'microservices:pattern';

/** Methods of classes, which may be in more than one app. */
const intercepted = new WeakSet<object>();

/**
 * Ties an AsyncIterable that a controller returned to the Observable that Nest makes of it, which ends as the iteration does: so what is
 * thrown within it reaches interceptors and exception filters, which Nest puts around Observables only. Its messages do not go that way: they
 * are read from the iterable one by one, as they can be sent.
 */
class IterableInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(mergeMap((value) => (isAsyncIterable(value) ? tied(value) : of(value))));
  }
}

/** Emits the iterable once, made so that its end and its errors are those of the Observable. */
function tied(iterable: AsyncIterable<unknown>): Observable<AsyncIterable<unknown>> {
  return new Observable((subscriber) => {
    const iterator = iterable[Symbol.asyncIterator]();
    let waiting: ((result: IteratorResult<unknown>) => void) | undefined;
    subscriber.add(() => {
      waiting?.(over);
      iterator.return?.().then(undefined, () => undefined);
    });
    const next = () =>
      new Promise<IteratorResult<unknown>>((resolve) => {
        if (subscriber.closed) return resolve(over);
        waiting = resolve;
        iterator.next().then(
          (result) => {
            resolve(result);
            if (result.done) subscriber.complete();
          },
          (error) => subscriber.error(error),
        );
      });
    const end = () => {
      subscriber.complete();
      return Promise.resolve(over);
    };
    subscriber.next({ [Symbol.asyncIterator]: () => ({ next, return: end }) });
  });
}

const over: IteratorResult<unknown> = { done: true, value: undefined };
