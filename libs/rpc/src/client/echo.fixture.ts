import { setTimeout as sleep } from 'node:timers/promises';
import { type BidiStream, type ClientStream, parseSchema, type ServerStream, type Unary } from '@micro/proto';
import type { Discovery, Target } from '../discovery.js';
import type { Handlers } from '../handler.js';
import { RpcServer, type RpcServerOptions } from '../server/server.js';

export interface Note {
  readonly text: string;
  readonly count: number;
}

export type EchoMethods = {
  say: Unary<Note, Note>;
  look: Unary<Note, Note>;
  up: ClientStream<Note, Note>;
  down: ServerStream<Note, Note>;
  both: BidiStream<Note, Note>;
};

export const echoSchema = parseSchema({
  'echo.proto': `syntax = "proto3";
package echo;
service Echo {
  rpc Say(Note) returns (Note);
  rpc Look(Note) returns (Note) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Up(stream Note) returns (Note);
  rpc Down(Note) returns (stream Note);
  rpc Both(stream Note) returns (stream Note);
}
message Note { string text = 1; int32 count = 2; }
`,
});
export const Echo = echoSchema.service<EchoMethods>('echo.Echo');

/** Unary: the text back after `count` milliseconds. Streams: what came, or `count` notes. */
export const echoHandlers: Handlers<typeof Echo> = {
  say: later,
  look: later,
  async up(notes) {
    let count = 0;
    for await (const note of notes) count += note.count;
    return { count };
  },
  async *down({ text, count }) {
    for (let at = 0; at < count; at++) yield { text, count: at };
  },
  async *both(notes) {
    for await (const note of notes) yield note;
  },
};

export async function echoServer(
  handlers: Partial<Handlers<typeof Echo>> = {},
  options: Partial<RpcServerOptions> = {},
): Promise<RpcServer> {
  const server = new RpcServer({ name: 'echo', ...options }).add(Echo, { ...echoHandlers, ...handlers });
  await server.listen();
  return server;
}

/** Discovery by hand: the nodes of the service `echo`, as they are set. */
export class Nodes implements Discovery {
  #targets: readonly Target[] = [];

  constructor(...addresses: readonly (string | Partial<Target>)[]) {
    this.set(...addresses);
  }

  set(...addresses: readonly (string | Partial<Target>)[]): void {
    this.#targets = addresses.map((one) => {
      const target = typeof one === 'string' ? { address: one } : one;
      return { id: target.address ?? '', address: '', connect: true, zone: '', region: '', ...target };
    });
  }

  targets(service: string): readonly Target[] {
    return service === 'echo' ? this.#targets : [];
  }
}

async function later({ text, count }: Note, { signal }: { signal: AbortSignal }): Promise<Note> {
  if (count > 0) await sleep(count, undefined, { signal });
  return { text, count };
}
