import grpc from '@grpc/grpc-js';
import { Agent } from 'node:http';
import { request } from 'node:http';
import { type TestPlatform, until } from '@micro/testing';

export interface Outcome {
  /** Milliseconds since the load began. */
  readonly at: number;
  readonly ms: number;
  readonly error?: string;
}

export interface Load {
  readonly outcomes: readonly Outcome[];
  failures(): readonly Outcome[];
  /** Stops, once the calls under way have ended. */
  stop(): Promise<readonly Outcome[]>;
}

/** Calls, one after the other, by so many callers at a time until it is stopped. */
export function load(call: () => Promise<void>, callers = 8): Load {
  const outcomes: Outcome[] = [];
  const began = performance.now();
  let stopped = false;
  const caller = async () => {
    while (!stopped) {
      const start = performance.now();
      const done = (error?: string) => outcomes.push({ at: start - began, ms: performance.now() - start, error });
      await call().then(
        () => done(),
        (error: Error) => done(error.message),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const running = Promise.all(Array.from({ length: callers }, caller));
  return {
    outcomes,
    failures: () => outcomes.filter(({ error }) => error !== undefined),
    stop: async () => {
      stopped = true;
      await running;
      return outcomes;
    },
  };
}

/** Waits for so many more calls of each to end. */
export function goOn(loads: readonly Pick<Load, 'outcomes'>[], more: number): Promise<true> {
  const before = loads.map(({ outcomes }) => outcomes.length);
  return until(
    'calls go on',
    () => loads.every(({ outcomes }, index) => outcomes.length > (before[index] as number) + more),
    30_000,
  );
}

/** Calls of helloworld through gateway and proxy at once, by so many callers at each. `close` is for when they have stopped. */
export function throughBothDoors(
  { address }: TestPlatform,
  callers?: number,
): { readonly loads: readonly [Load, Load]; close(): void } {
  const gateway = httpCaller(`http://${address.api}/helloworld/call`);
  const proxy = grpcCaller(address.proxy, '/helloworld.Helloworld/Call', alice);
  return {
    loads: [load(gateway.call, callers), load(proxy.call, callers)],
    close: () => {
      gateway.close();
      proxy.close();
    },
  };
}

/** What helloworld is called with, as protobuf. */
export const alice = Buffer.from('\x0a\x05Alice', 'latin1');

/** A JSON call over keep-alive connections; fails on any status but 200. */
export function httpCaller(url: string, body = '{"name":"Alice"}') {
  const agent = new Agent({ keepAlive: true });
  return {
    call: () =>
      new Promise<void>((resolve, reject) => {
        const sent = request(
          url,
          { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
          (answer) => {
            let text = '';
            answer.on('data', (chunk) => (text += chunk));
            answer.on('end', () =>
              answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}: ${text}`)),
            );
          },
        );
        sent.on('error', reject);
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** A unary gRPC call by a plain grpc-js client; `message` is encoded already. */
export function grpcCaller(address: string, path: string, message: Buffer) {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  return {
    call: () =>
      new Promise<void>((resolve, reject) => {
        const deadline = Date.now() + 8_000;
        client.makeUnaryRequest(path, same, same, message, new grpc.Metadata(), { deadline }, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    close: () => client.close(),
  };
}
