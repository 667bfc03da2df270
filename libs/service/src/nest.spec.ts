import { parseSchema, type ServerStream, type Unary } from '@micro/proto';
import { Observable } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { Blobs, Broker, client, Events, Locks, Logger, MicroError, type Served, Store, store } from './index.js';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  GrpcMethod,
  GrpcStreamMethod,
  Injectable,
  Module,
  type NestInterceptor,
  serveNest,
  UseGuards,
  UseInterceptors,
} from './nest.js';

interface Greeting {
  text: string;
}
const schema = parseSchema({
  'greeter.proto': `syntax = "proto3"; package greeter;
    service Greeter {
      rpc Greet(Greeting) returns (Greeting);
      rpc Refuse(Greeting) returns (Greeting);
      rpc Keep(Greeting) returns (Greeting);
      rpc Repeat(Greeting) returns (stream Greeting);
    }
    message Greeting { string text = 1; }`,
});
const Greeter = schema.service<{
  greet: Unary<Greeting, Greeting>;
  refuse: Unary<Greeting, Greeting>;
  keep: Unary<Greeting, Greeting>;
  repeat: ServerStream<Greeting, Greeting>;
}>('greeter.Greeter');

@Injectable()
class Words {
  hello(name: string): string {
    return `Hello ${name}`;
  }
}

@Injectable()
class Nobody implements CanActivate {
  canActivate(_context: ExecutionContext): boolean {
    throw new MicroError('permission_denied', 'nobody may');
  }
}

@Injectable()
class Louder implements NestInterceptor {
  async intercept(_context: ExecutionContext, next: CallHandler): Promise<Observable<Greeting>> {
    const inner = next.handle() as Observable<Greeting>;
    return new Observable((subscriber) =>
      inner.subscribe({
        next: ({ text }) => subscriber.next({ text: `${text}!` }),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  }
}

@Injectable()
class Locker {
  constructor(private readonly locks: Locks) {}

  async lock(name: string): Promise<void> {
    await (await this.locks.acquire(name)).release();
  }
}

@Injectable()
class Keeper {
  constructor(
    private readonly store: Store,
    private readonly blobs: Blobs,
    private readonly broker: Broker,
    private readonly events: Events,
  ) {}

  async keep({ text }: Greeting): Promise<Greeting> {
    await this.store.write({ key: text, value: new Uint8Array([1]) });
    await this.blobs.write(text, [new Uint8Array([2])]);
    await this.broker.publish('greetings', {});
    await this.events.publish('greetings', {});
    return {
      text: `${(await this.store.tables()).join()} ${(await this.events.streams()).map(({ stream }) => stream).join()}`,
    };
  }
}

@Controller()
class GreeterController {
  constructor(
    private readonly words: Words,
    private readonly logger: Logger,
    private readonly keeper: Keeper,
    private readonly locker: Locker,
  ) {}

  @GrpcMethod('Greeter')
  async keep(greeting: Greeting): Promise<Greeting> {
    await this.locker.lock('keep');
    return this.keeper.keep(greeting);
  }

  @GrpcMethod('Greeter')
  @UseInterceptors(Louder)
  greet({ text }: Greeting): Greeting {
    this.logger.debug('greeting');
    return { text: this.words.hello(text) };
  }

  @GrpcMethod('Greeter')
  @UseGuards(Nobody)
  refuse(greeting: Greeting): Greeting {
    return greeting;
  }

  @GrpcMethod('Greeter')
  repeat(greeting: Greeting): Observable<Greeting> {
    return new Observable((subscriber) => {
      for (let n = 0; n < 2; n++) subscriber.next(greeting);
      subscriber.complete();
    });
  }
}

@Module({ controllers: [GreeterController], providers: [Words, Keeper, Locker] })
class GreeterModule {}

let service: Served | undefined;
afterEach(() => service?.stop());

describe('serveNest', () => {
  it('answers by controllers, with injection, interceptors, guards and streams', async () => {
    service = await serveNest(Greeter, GreeterModule, { profile: 'test', signals: false });
    const greeter = client(Greeter);
    expect(await greeter.greet({ text: 'Alice' })).toEqual({ text: 'Hello Alice!' });
    await expect(greeter.refuse({})).rejects.toMatchObject({ code: 'permission_denied', detail: 'nobody may' });
    const repeated: string[] = [];
    for await (const { text } of greeter.repeat({ text: 'again' })) repeated.push(text);
    expect(repeated).toEqual(['again', 'again']);
    expect(GrpcStreamMethod).toBeTypeOf('function');
  });

  it('gives store, blobs, locks, broker and events by injection, in the service’s own place', async () => {
    service = await serveNest(Greeter, GreeterModule, { profile: 'test', signals: false });
    expect(await client(Greeter).keep({ text: 'k' })).toEqual({ text: 'greeter greetings' });
    expect((await store.read('k')).value).toEqual(new Uint8Array([1]));
  });
});
