import { MicroError } from '@micro/errors';
import { Client, type HttpResponse, Metadata } from '@micro/rpc';
import { Injectable } from '@nestjs/common';
import type { Arrived } from './caller.js';
import { formatOf } from './content.js';
import { Reflection } from './reflection.js';
import { messageBytes } from './request-message.js';
import { fieldOf } from './response-field.js';

/** How the messages of a stream are written one after the other, and what becomes of an error among them. */
interface Framing {
  readonly type: string;
  readonly message: (json: string) => string;
  readonly error: (json: string) => string;
}

/** One JSON a line (github.com/ndjson/ndjson-spec); an error is a last line of its own: `{"error":{…}}`. */
const lines: Framing = {
  type: 'application/x-ndjson',
  message: (json) => `${json}\n`,
  error: (json) => `{"error":${json}}\n`,
};
/** Server-sent events (html.spec.whatwg.org, section 9.2), as a browser's EventSource reads them; an error is an event called `error`. */
const events: Framing = {
  type: 'text/event-stream',
  message: (json) => `data: ${json}\n\n`,
  error: (json) => `event: error\ndata: ${json}\n\n`,
};

/** Methods that answer one request with a stream of messages, written out as JSON as they come. */
@Injectable()
export class Streams {
  readonly #client: Client;
  readonly #reflection: Reflection;

  constructor(client: Client, reflection: Reflection) {
    this.#client = client;
    this.#reflection = reflection;
  }

  /** Rejects with what is to be told instead, as long as nothing has been answered. */
  async call(arrived: Arrived): Promise<void> {
    const { http, namespace, route, body, contentType } = arrived;
    const { method, variables, query, body: bodyField, responseBody } = route;
    const definition = await this.#reflection.definition(method, namespace);
    const format = formatOf(contentType, body);
    const request = messageBytes({ variables, query, body, format, contentType, bodyField }, definition, 'proto');
    const stream = this.#client.forwardStream({
      service: method.service,
      namespace,
      path: method.path,
      headers: metadataOf([...http.inbound.metadata, 'micro-from-service', 'api', 'traceparent', http.traceparent]),
      messages: only(request),
      timeoutMs: isTimed(arrived) ? arrived.timeoutMs : undefined,
      signal: http.cancellation,
    });
    const framing = http.inbound.accept.includes(events.type) ? events : lines;
    // Waited for below; a stream that breaks off earlier must not count as unhandled.
    stream.trailers.catch(() => undefined);
    const opened = stream.headers.then((headers) =>
      [...headers].flatMap(([name, value]) => (typeof value === 'string' ? [name, value] : [])),
    );
    let response: HttpResponse | undefined;
    for await (const bytes of stream.messages) {
      response ??= http.open(framing.type, await opened);
      const message = definition.output.toJson(definition.output.decode(bytes));
      await write(
        response,
        framing.message(JSON.stringify(responseBody === '' ? message : fieldOf(message, responseBody, definition))),
      );
    }
    try {
      await stream.trailers;
      (response ?? http.open(framing.type, await opened)).end();
    } catch (error) {
      // Before the first message an error is an answer like any other.
      if (!response) throw MicroError.from(error);
      response.end(framing.error(JSON.stringify(http.explain(error))));
    }
  }
}

/** A stream has no deadline but the one that its caller sets. */
function isTimed({ http }: Arrived): boolean {
  return http.inbound.timeout !== '' || http.inbound.connectTimeout !== '';
}

async function* only(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}

/** Waits while the caller reads more slowly than the service writes. */
async function write(response: HttpResponse, text: string): Promise<void> {
  if (response.destroyed) throw new MicroError('canceled', 'the caller went away', { id: 'api' });
  if (response.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

/** Headers that metadata cannot hold, such as cookies in UTF-8, are left out. */
function metadataOf(flat: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    try {
      metadata.append(flat[index] as string, flat[index + 1] as string);
    } catch {
      // Not metadata.
    }
  }
  return metadata;
}
