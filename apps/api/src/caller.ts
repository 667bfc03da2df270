import { Injectable } from '@nestjs/common';
import { MicroError } from '@micro/errors';
import type { JsonValue, MethodDefinition } from '@micro/proto';
import { RegistryCache } from '@micro/registry';
import { Client, type ForwardResponse } from '@micro/rpc';
import { formatOf, protoTypeOf, type Wanted, wantedOf } from './content.js';
import type { HttpCall } from './http-call.js';
import { jsonText, parseJson } from './json.js';
import type { Method } from './method.js';
import { errorOf, valueOf } from './outbound.js';
import { Reflection } from './reflection.js';
import { messageBytes } from './request-message.js';
import { fieldOf } from './response-field.js';
import type { Route } from './router.js';
import { Streams } from './streams.js';

/** A request whose route and body are known. */
export interface Arrived {
  readonly http: HttpCall;
  readonly namespace: string;
  readonly route: Route;
  readonly body: Buffer;
  readonly contentType: string;
  /** Milliseconds that the call may take. */
  readonly timeoutMs: number;
}

/** What is sent to a service, and what the caller is to get of its answer. */
interface Outgoing {
  /** Of request and answer: a service answers in what it is asked in. */
  readonly lane: Wanted;
  readonly body: Buffer;
  readonly wanted: Wanted;
  /** Of the method, where answer or request have to be translated. */
  readonly definition?: MethodDefinition;
}

const emptyObject = Buffer.from('{}');

/**
 * Calls methods over the Connect lane. Bytes are passed on as they are where the request is its message and the answer is wanted as it comes;
 * otherwise the message is put together, or translated between JSON and protobuf, by the schema of the service.
 */
@Injectable()
export class Caller {
  readonly #client: Client;
  readonly #cache: RegistryCache;
  readonly #reflection: Reflection;
  readonly #streams: Streams;

  constructor(client: Client, cache: RegistryCache, reflection: Reflection, streams: Streams) {
    this.#client = client;
    this.#cache = cache;
    this.#reflection = reflection;
    this.#streams = streams;
  }

  /** Calls and answers. Throws or rejects with what is to be told instead. */
  call(arrived: Arrived): Promise<void> {
    const { route, body, contentType, http } = arrived;
    const { accept } = http.inbound;
    const { method } = route;
    if (method.endpoint.kind === 'serverStream') return this.#streams.call(arrived);
    if (method.endpoint.kind !== 'unary') throw takesStream(method);
    const format = formatOf(contentType, body);
    const wanted = route.responseBody === '' ? wantedOf(accept, format) : 'json';
    const untouched =
      route.query === '' && route.body === '*' && route.responseBody === '' && route.variables.length === 0;
    if (untouched && format === wanted && (wanted === 'proto' || this.#takesJson(method, arrived.namespace))) {
      return this.#send(arrived, {
        lane: wanted,
        body: wanted === 'json' && body.length === 0 ? emptyObject : body,
        wanted,
      });
    }
    return this.#translate(arrived, format, wanted);
  }

  async #translate(arrived: Arrived, format: ReturnType<typeof formatOf>, wanted: Wanted): Promise<void> {
    const { route, body, contentType, namespace } = arrived;
    const lane = wanted === 'json' && this.#takesJson(route.method, namespace) ? 'json' : 'proto';
    const definition =
      route.method.definition ??
      (lane === 'proto' || format === 'proto' ? await this.#reflection.definition(route.method, namespace) : undefined);
    const { variables, query, body: bodyField } = route;
    const sent = messageBytes({ variables, query, body, format, contentType, bodyField }, definition, lane);
    await this.#send(arrived, { lane, body: sent, wanted, definition });
  }

  async #send(arrived: Arrived, outgoing: Outgoing): Promise<void> {
    const { http, namespace, route, timeoutMs } = arrived;
    const { service, path, idempotent } = route.method;
    const headers = http.inbound.metadata;
    headers.push('micro-from-service', 'api', 'traceparent', http.traceparent);
    const answer = await this.#client.forward({
      service,
      namespace,
      path,
      contentType: outgoing.lane === 'json' ? 'application/json' : 'application/proto',
      body: outgoing.body,
      headers,
      timeoutMs,
      idempotent,
      signal: http.cancellation,
    });
    if (answer.status !== 200) throw this.#failure(arrived, answer, outgoing);
    if (!isAnswerOf(outgoing.lane, answer)) throw notConnect(route.method);
    this.#answer(arrived, answer, outgoing);
  }

  #answer({ http, route }: Arrived, answer: ForwardResponse, { lane, wanted, definition }: Outgoing): void {
    const { body, headers } = answer;
    const { method, responseBody } = route;
    if (body.length === 0 || (body.length === 2 && lane === 'json' && method.neverAnswers)) {
      if (lane === wanted || method.neverAnswers) return http.answerNothing(headers);
    }
    if (wanted === 'proto')
      return http.answer(200, { type: protoTypeOf(http.inbound.accept, http.inbound.contentType), body }, headers);
    if (lane === 'json' && responseBody === '') return http.answer(200, { type: 'application/json', body }, headers);
    const message = readAnswer(route.method, () =>
      lane === 'json' || !definition ? parseJson(body) : definition.output.toJson(definition.output.decode(body)),
    );
    http.answer(
      200,
      {
        type: 'application/json',
        body: jsonText(responseBody === '' ? message : fieldOf(message, responseBody, definition)),
      },
      headers,
    );
  }

  /** The error that a node answered. Of JSON that was passed on unread and not understood, the gateway says where it is wrong. */
  #failure({ route }: Arrived, answer: ForwardResponse, { lane, body }: Outgoing): MicroError {
    const error = errorOf(answer, route.method.service);
    if (lane === 'json' && error.code === 'invalid_argument') {
      try {
        parseJson(body);
      } catch (fault) {
        return MicroError.from(fault);
      }
    }
    return error;
  }

  /** Whether some node of the service takes JSON. Without any node the call itself says so. */
  #takesJson({ service }: Method, namespace: string): boolean {
    const targets = this.#cache.targets(service, namespace);
    return targets instanceof Promise || targets.length === 0 || targets.some(({ connect }) => connect);
  }
}

/** Whether an answer is in what the request was in (connectrpc.com/docs/protocol#unary-response). */
function isAnswerOf(lane: Wanted, { headers }: ForwardResponse): boolean {
  const type = valueOf(headers, 'content-type') ?? '';
  // Nobody was told that it may be compressed.
  if ((valueOf(headers, 'content-encoding') ?? 'identity') !== 'identity') return false;
  return type.startsWith(lane === 'json' ? 'application/json' : 'application/proto');
}

/** What cannot be read is the node's fault, and not the caller's. */
function readAnswer({ service, path }: Method, read: () => JsonValue): JsonValue {
  try {
    return read();
  } catch (cause) {
    const { detail } = MicroError.from(cause);
    throw new MicroError(
      'internal',
      `a node of "${service}" answers ${path} with something else than its schema says: ${detail}`,
      { id: 'api', status: 502, cause },
    );
  }
}

function notConnect({ service }: Method): MicroError {
  return new MicroError(
    'unavailable',
    `a node of "${service}" answers something else than Connect: see what it registered as its address`,
    { id: 'api', status: 502 },
  );
}

function takesStream({ endpoint, service }: Method): MicroError {
  return new MicroError(
    'unimplemented',
    `${endpoint.name} of ${service} takes a stream of messages: call ${endpoint.path} over gRPC, at the proxy`,
    { id: 'api' },
  );
}
