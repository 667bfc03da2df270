import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { type BidiStream, type ClientStream, parseSchema, type ServerStream, type Unary } from '@micro/proto';
import type { Handlers } from '../handler.js';
import type { Http2Stream } from '../http2/stream.js';
import { RpcServer, type RpcServerOptions } from './server.js';

export const kitchenProto = `syntax = "proto3";
package kitchen.v1;
// Cooks what it is told.
service Kitchen {
  // One dish.
  rpc Cook(Order) returns (Dish);
  rpc Menu(Order) returns (Dish) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc Courses(Order) returns (stream Dish);
  rpc Stew(stream Order) returns (Dish);
  rpc Banquet(stream Order) returns (stream Dish);
  rpc Nobody(Order) returns (Dish);
}
message Order {
  string name = 1;
  int64 count = 2;
  map<string, string> notes = 3;
  Order then = 4;
}
message Dish {
  string name = 1;
  int64 count = 2;
  map<string, string> notes = 3;
}
`;

export interface Order {
  readonly name: string;
  readonly count: bigint;
  readonly notes: Readonly<Record<string, string>>;
}
export type Dish = Order;

export type KitchenMethods = {
  cook: Unary<Order, Dish>;
  menu: Unary<Order, Dish>;
  courses: ServerStream<Order, Dish>;
  stew: ClientStream<Order, Dish>;
  banquet: BidiStream<Order, Dish>;
  nobody: Unary<Order, Dish>;
};

export const kitchenSchema = parseSchema({ 'kitchen/v1/kitchen.proto': kitchenProto });
export const Kitchen = kitchenSchema.service<KitchenMethods>('kitchen.v1.Kitchen');

/** What handlers under test saw, beyond what they answered. */
export interface Seen {
  readonly aborted: MicroError[];
  finished: number;
}

export const burnt = new MicroError('failed_precondition', 'burnt: 100% ash ☠ \n', {
  id: 'stove',
  metadata: { 'retry-after': '7' },
  details: [{ type: 'kitchen.v1.Dish', value: Uint8Array.of(0x0a, 0x03, 0x61, 0x73, 0x68) }],
});

/** Handlers steered by the order's name: `burn`, `crash`, `wait`, `echo` … */
export function kitchen(seen: Seen = { aborted: [], finished: 0 }): Handlers<typeof Kitchen> {
  return {
    async cook(order, context) {
      switch (order.name) {
        case 'burn':
          context.responseHeaders.set('x-oven', 'hot');
          context.responseTrailers.set('x-smoke', 'yes');
          throw burnt;
        case 'crash':
          throw new TypeError('the secret recipe is 42');
        case 'wait':
          await new Promise<void>((resolve) => {
            context.signal.addEventListener('abort', () => {
              seen.aborted.push(context.signal.reason as MicroError);
              resolve();
            });
          });
          return {};
        case 'slow':
          await sleep(150);
          seen.finished++;
          return { name: 'slow' };
        case 'meta':
          context.responseHeaders
            .set('x-oven', 'hot')
            .append('x-oven', 'hotter')
            .set('x-raw-bin', Uint8Array.of(0, 255, 7));
          context.responseTrailers.set('x-smoke', 'no');
          return {
            notes: {
              metadata: JSON.stringify(context.metadata),
              namespace: context.namespace,
              from: String(context.from),
              peer: context.peer,
              left: String(context.deadline === undefined ? undefined : context.deadline - Date.now()),
            },
          };
        case 'large':
          return { name: 'x'.repeat(Number(order.count)) };
        default:
          return { name: `Hello ${order.name}`, count: order.count, notes: order.notes };
      }
    },
    menu: ({ name }) => ({ name: `Hello ${name}` }),
    async *courses(order, context) {
      context.responseHeaders.set('x-oven', 'hot');
      context.responseTrailers.set('x-smoke', 'no');
      try {
        for (let course = 0n; course < order.count; course++) {
          yield { name: order.name === 'large' ? 'x'.repeat(60_000) : order.name, count: course };
          seen.finished++;
          if (order.name === 'burn') throw burnt;
        }
      } finally {
        if (context.signal.aborted) seen.aborted.push(context.signal.reason as MicroError);
      }
    },
    async stew(orders) {
      let name = '';
      for await (const order of orders) {
        if (order.name === 'burn') throw burnt;
        if (order.name === 'enough') break;
        name += order.name;
      }
      return { name };
    },
    async *banquet(orders, context) {
      try {
        for await (const order of orders) {
          if (order.name === 'burn') throw burnt;
          yield { name: `Hello ${order.name}` };
        }
      } finally {
        seen.finished++;
        if (context.signal.aborted) seen.aborted.push(context.signal.reason as MicroError);
      }
    },
  };
}

/** A kitchen that listens on a free port. */
export async function openKitchen(
  options: Partial<RpcServerOptions> = {},
  seen?: Seen,
): Promise<RpcServer & AsyncDisposable> {
  const server = new RpcServer({ name: 'kitchen', ...options }).add(Kitchen, kitchen(seen));
  await server.listen();
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.close({ graceMs: 0 }) });
}

/** HTTP/2 of both kinds: a server that has a route for what is no method of its own speaks its own. */
export const http2Lanes: readonly (readonly [name: string, options: Partial<RpcServerOptions>])[] = [
  ['grpc-js', {}],
  ['our own HTTP/2', { http2: refuseUnknown }],
];

function refuseUnknown(stream: Http2Stream): void {
  const message = `there is no ${stream.header(':path')}`;
  stream.respond([':status', '200', 'content-type', 'application/grpc', 'grpc-status', '12', 'grpc-message', message], {
    end: true,
  });
}
