import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  type INestMicroservice,
  Injectable,
  Module,
  type NestInterceptor,
  NotFoundException,
  type PipeTransform,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { status } from '@grpc/grpc-js';
import {
  Ctx,
  GrpcMethod,
  GrpcStreamCall,
  GrpcStreamMethod,
  MessagePattern,
  Payload,
  RpcException,
} from '@nestjs/microservices';
import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { EMPTY, finalize, from, interval, map, NEVER, type Observable, of, reduce, throwError } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallContext } from '../handler.js';
import { Metadata } from '../metadata.js';
import {
  bidiStream,
  clientStream,
  outcome,
  plainClient,
  type PlainClient,
  serverStream,
  unary,
} from '../server/grpc-client.fixture.js';
import { type Dish, Kitchen, type Order } from '../server/kitchen.fixture.js';
import { Call, type RequestObservable, RpcTransport } from './index.js';

const log: string[] = [];

@Injectable()
class Pantry {
  fetch(name: string): string {
    return `Hello ${name}`;
  }
}

class OnlyGuests implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const metadata = context.switchToRpc().getContext<Metadata>();
    return metadata.get('x-banned') === undefined;
  }
}

class Trim implements PipeTransform {
  transform(value: unknown): unknown {
    const name = (value as Order).name;
    if (name === 'inedible') throw new BadRequestException(['name must be edible', 'name must be short']);
    return typeof name === 'string' ? { ...(value as Order), name: name.trim() } : value;
  }
}

class Logged implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    log.push(`before ${context.getHandler().name}`);
    return next.handle().pipe(finalize(() => log.push(`after ${context.getHandler().name}`)));
  }
}

class Spoilt extends Error {}

@Catch(Spoilt)
class SpoiltFilter implements ExceptionFilter {
  catch(exception: Spoilt, _host: ArgumentsHost): Observable<never> {
    return throwError(() =>
      new RpcException({ code: status.DATA_LOSS, message: `spoilt: ${exception.message}` }).getError(),
    );
  }
}

class Replaceable extends Error {}

/** Answers with something else instead of the error. */
@Catch(Replaceable)
class ReplacingFilter implements ExceptionFilter {
  catch(): Observable<Partial<Dish>> {
    return of({ name: 'something else' });
  }
}

@Controller()
@UseGuards(OnlyGuests)
@UseInterceptors(Logged)
@UseFilters(SpoiltFilter, ReplacingFilter)
class KitchenController {
  constructor(private readonly pantry: Pantry) {}

  @GrpcMethod('Kitchen')
  @UsePipes(Trim)
  async cook(@Payload() order: Order, @Ctx() metadata: Metadata, @Call() call: CallContext): Promise<Partial<Dish>> {
    call.responseHeaders.set('x-oven', 'hot');
    call.responseTrailers.set('x-smoke', 'no');
    switch (order.name) {
      case 'rpc':
        throw new RpcException({ code: status.RESOURCE_EXHAUSTED, message: 'no eggs' });
      case 'text':
        throw new RpcException('just words');
      case 'http':
        throw new NotFoundException('no such dish');
      case 'micro':
        throw new MicroError('already_exists', 'cooked before', { id: 'stove' });
      case 'spoilt':
        throw new Spoilt('milk');
      case 'fault':
        throw new TypeError('the secret recipe is 42');
      default:
        return {
          name: this.pantry.fetch(order.name),
          notes: { from: metadata.get('micro-from-service') ?? '', namespace: call.namespace },
        };
    }
  }

  @GrpcMethod('kitchen.v1.Kitchen', 'Menu')
  menu(order: Order, metadata: Metadata, call: CallContext): Observable<Partial<Dish>> {
    return of({ name: `${order.name} ${metadata instanceof Metadata} ${call.method.name}` });
  }

  @GrpcMethod('Kitchen')
  courses(
    { name, count }: Order,
    _metadata: Metadata,
    call: CallContext,
  ): Observable<Partial<Dish>> | AsyncIterable<Partial<Dish>> {
    if (name === 'endless') {
      return interval(5).pipe(
        map((course) => ({ count: BigInt(course) })),
        finalize(() => log.push('endless ended')),
      );
    }
    if (name === 'none') return EMPTY;
    if (name === 'fails') return throwError(() => new MicroError('aborted', 'again, please'));
    if (name === 'silent') return NEVER.pipe(finalize(() => log.push('silent ended')));
    if (name === 'waits' || name === 'spoilt' || name === 'replaced' || name === 'fault') {
      return (async function* () {
        try {
          yield { name };
          log.push('asked for more');
          if (name === 'waits') await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
          throw name === 'fault'
            ? new TypeError('the secret recipe is 42')
            : name === 'replaced'
              ? new Replaceable()
              : new Spoilt('milk');
        } finally {
          log.push(`${name} left`);
        }
      })();
    }
    const courses = Array.from({ length: Number(count) }, (_, course) => ({ name, count: BigInt(course) }));
    if (name === 'observed') return from(courses);
    return (async function* () {
      yield* courses;
    })();
  }

  @GrpcStreamMethod('Kitchen')
  stew(orders: Observable<Order>): Observable<Partial<Dish>> {
    return orders.pipe(
      reduce((name, order) => name + order.name, ''),
      map((name) => ({ name })),
    );
  }

  @GrpcStreamMethod('Kitchen')
  async *banquet(orders: RequestObservable<Order>): AsyncGenerator<Partial<Dish>> {
    for await (const { name } of orders) {
      if (name === 'spoilt') throw new Spoilt('cream');
      yield { name: `Hello ${name}` };
    }
  }
}

@Module({ controllers: [KitchenController], providers: [Pantry] })
class KitchenModule {}

async function boot(module: Type<unknown>): Promise<{ app: INestMicroservice; transport: RpcTransport }> {
  const transport = new RpcTransport({ name: 'kitchen', services: [Kitchen] });
  const app = await NestFactory.createMicroservice(module, { strategy: transport, logger: false, abortOnError: false });
  transport.prepare(app);
  await app.listen();
  return { app, transport };
}

let app: INestMicroservice;
let transport: RpcTransport;
let client: PlainClient;

beforeAll(async () => {
  ({ app, transport } = await boot(KitchenModule));
  client = plainClient(Kitchen, transport.server.address);
});
afterAll(async () => {
  client.close();
  await transport.close({ graceMs: 0 });
  await app.close();
});

const cook = async (name: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(`http://${transport.server.address}/kitchen.v1.Kitchen/Cook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ name }),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
};

it('answers over both lanes, with pipes, injected services, metadata and the call', async () => {
  const { body, headers } = await cook('  Alice ', { 'micro-from-service': 'waiter', 'micro-namespace': 'acme' });
  expect(body).toEqual({ name: 'Hello Alice', notes: { from: 'waiter', namespace: 'acme' } });
  expect([headers.get('x-oven'), headers.get('trailer-x-smoke')]).toEqual(['hot', 'no']);
  const overGrpc = await unary(client, 'Cook', { name: ' Bob' });
  expect(overGrpc.messages[0]).toMatchObject({ name: 'Hello Bob' });
  expect(overGrpc.headers?.get('x-oven')).toEqual(['hot']);
});

it('passes (data, metadata, call), by the full name of a service, and takes an Observable', async () => {
  expect((await unary(client, 'Menu', { name: 'soup' })).messages[0]).toMatchObject({ name: 'soup true Menu' });
});

it('runs interceptors around the handler', async () => {
  log.length = 0;
  await cook('Alice');
  expect(log).toEqual(['before cook', 'after cook']);
});

describe('streams', () => {
  it.each(['observed', 'iterated'])('of responses, %s', async (name) => {
    const { messages, status: end } = await outcome(serverStream(client, 'Courses', { name, count: 3n }));
    expect(messages.map(({ count }) => count)).toEqual([0n, 1n, 2n]);
    expect(end.code).toBe(status.OK);
  });

  it('of no response, and of an error', async () => {
    expect(await outcome(serverStream(client, 'Courses', { name: 'none' }))).toMatchObject({
      messages: [],
      status: { code: status.OK },
    });
    expect((await outcome(serverStream(client, 'Courses', { name: 'fails' }))).status).toMatchObject({
      code: status.ABORTED,
      details: 'again, please',
    });
  });

  it('unsubscribe when the caller cancels', async () => {
    log.length = 0;
    const call = serverStream(client, 'Courses', { name: 'endless' });
    call.on('error', () => undefined).on('data', ({ count }) => count === 3n && call.cancel());
    await until('the source was left', () => log.includes('endless ended'));
  });

  it.each(['silent', 'waits'])('are left when the caller cancels, though nothing comes: %s', async (name) => {
    log.length = 0;
    const call = serverStream(client, 'Courses', { name });
    call.on('error', () => undefined);
    await until('the handler runs', () => log.includes('before courses'));
    if (name === 'waits') await until('it was asked for more', () => log.includes('asked for more'));
    call.cancel();
    await until('the source was left', () => log.includes(name === 'silent' ? 'silent ended' : 'waits left'));
    await until('interceptors know', () => log.includes('after courses'));
  });

  it('of requests, observed', async () => {
    const answer = await new Promise((resolve, reject) => {
      const call = clientStream(client, 'Stew', (error, response) => (error ? reject(error) : resolve(response)));
      for (const name of ['a', 'b', 'c']) call.write({ name });
      call.end();
    });
    expect(answer).toMatchObject({ name: 'abc' });
  });

  it('both ways, iterated', async () => {
    const call = bidiStream(client, 'Banquet');
    const names: unknown[] = [];
    call.on('data', ({ name }) => {
      names.push(name);
      if (names.length === 2) call.end();
      else call.write({ name: 'b' });
    });
    call.write({ name: 'a' });
    await outcome(call);
    expect(names).toEqual(['Hello a', 'Hello b']);
  });
});

describe('errors within an iterated stream', () => {
  it('go through filters of the app, as those of an Observable', async () => {
    log.length = 0;
    const { messages, status: end } = await outcome(serverStream(client, 'Courses', { name: 'spoilt' }));
    expect(messages).toMatchObject([{ name: 'spoilt' }]);
    expect(end).toMatchObject({ code: status.DATA_LOSS, details: 'spoilt: milk' });
    expect(log).toEqual(['before courses', 'asked for more', 'spoilt left', 'after courses']);
  });

  it('of both directions', async () => {
    const call = bidiStream(client, 'Banquet');
    call.write({ name: 'a' });
    call.write({ name: 'spoilt' });
    const { messages, status: end } = await outcome(call);
    expect(messages).toMatchObject([{ name: 'Hello a' }]);
    expect(end).toMatchObject({ code: status.DATA_LOSS, details: 'spoilt: cream' });
  });

  it('are replaced by what a filter answers', async () => {
    const { messages, status: end } = await outcome(serverStream(client, 'Courses', { name: 'replaced' }));
    expect(messages).toMatchObject([{ name: 'replaced' }, { name: 'something else' }]);
    expect(end.code).toBe(status.OK);
  });

  it('tell nothing of faults but the trace', async () => {
    const { status: end } = await outcome(serverStream(client, 'Courses', { name: 'fault' }));
    expect(end).toMatchObject({ code: status.INTERNAL, details: expect.stringMatching(/trace [0-9a-f]{32}$/) });
  });
});

describe('errors', () => {
  it.each([
    ['RpcException with a status', 'rpc', 'resource_exhausted', 'no eggs'],
    ['RpcException with a text', 'text', 'unknown', 'just words'],
    ['HttpException', 'http', 'not_found', 'no such dish'],
    ['MicroError', 'micro', 'already_exists', 'cooked before'],
    ['a filter of the app', 'spoilt', 'data_loss', 'spoilt: milk'],
  ])('%s', async (_what, name, code, message) => {
    expect((await cook(name)).body).toMatchObject({ code, message });
  });

  it('of pipes', async () => {
    expect((await cook('inedible')).body).toMatchObject({
      code: 'invalid_argument',
      message: 'name must be edible; name must be short',
    });
  });

  it('of guards', async () => {
    expect(await cook('Alice', { 'x-banned': 'yes' })).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
  });

  it('of faults tell nothing but the trace', async () => {
    const { body } = await cook('fault');
    expect(body).toMatchObject({ code: 'internal', message: expect.stringMatching(/trace [0-9a-f]{32}$/) });
  });

  it('of methods that no controller has', async () => {
    expect((await unary(client, 'Nobody', {})).status.code).toBe(status.UNIMPLEMENTED);
  });
});

describe('a handler that nothing can reach stops the boot', () => {
  class Misnamed {
    @GrpcMethod('Kitchen')
    bake(): object {
      return {};
    }
  }
  class Elsewhere {
    @GrpcMethod('Garden')
    cook(): object {
      return {};
    }
  }
  class Streaming {
    @GrpcMethod('Kitchen')
    stew(): object {
      return {};
    }
  }
  class NotStreaming {
    @GrpcStreamMethod('Kitchen')
    cook(): object {
      return {};
    }
  }
  class PassThrough {
    @GrpcStreamCall('Kitchen')
    stew(): object {
      return {};
    }
  }
  class Pattern {
    @MessagePattern('cook')
    cook(): object {
      return {};
    }
  }
  class Twice {
    @GrpcMethod('Kitchen', 'Cook')
    first(): object {
      return {};
    }
    @GrpcMethod('kitchen.v1.Kitchen', 'Cook')
    second(): object {
      return {};
    }
  }
  class Again {
    @GrpcMethod('Kitchen', 'Cook')
    first(): object {
      return {};
    }
    @GrpcMethod('Kitchen', 'Cook')
    second(): object {
      return {};
    }
  }
  it.each([
    [Misnamed, /no method Bake: it has Cook, Menu/],
    [Elsewhere, /no service Garden: the \.proto files have kitchen\.v1\.Kitchen/],
    [Streaming, /takes a stream of requests: use @GrpcStreamMethod/],
    [NotStreaming, /takes one request: use @GrpcMethod/],
    [PassThrough, /use @GrpcStreamMethod/],
    [Pattern, /is no method of a \.proto/],
    [Twice, /has two handlers/],
    [Again, /two handlers have the pattern/],
  ])('%o', async (controller, detail) => {
    Controller()(controller);
    class Root {}
    Module({ controllers: [controller] })(Root);
    await expect(boot(Root)).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringMatching(detail),
    });
  });
});
