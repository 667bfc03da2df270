import { connect, type Socket } from 'node:net';
import { contentType, waitHeader } from './http-door.js';
import type { Answer } from './lane.js';
import type { Outcome, Posted } from './outlet.js';

export interface PosterOptions {
  /** `host:port`. */
  readonly address: string;
  readonly subscription: string;
}

/** Codes of errors after which it is certain that nobody has got anything. */
const nobody = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Milliseconds after which a connection that nothing goes over is closed: half of what the subscriber's side would leave it open. */
const idleTimeout = 30_000;
/** Of an answer. Subscribers say a few numbers; who says more is another program. */
const longestAnswer = 16 * 1024;

/**
 * Sends messages to one subscriber, over a connection that is kept. One request is under way on it at a time, and what answers is a door of
 * Micro's (http-door.ts), so plain HTTP/1.1 by hand does: it takes a third of the time of node:http's client.
 */
export class Poster {
  readonly #host: string;
  readonly #port: number;
  readonly #head: string;
  #idle: Exchange | undefined;
  #retired = false;
  readonly #open = new Set<Exchange>();

  constructor({ address, subscription }: PosterOptions) {
    const colon = address.lastIndexOf(':');
    this.#host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    this.#port = Number(address.slice(colon + 1));
    this.#head = `POST /${subscription} HTTP/1.1\r\nhost: ${address}\r\ncontent-type: ${contentType}\r\n`;
  }

  /** `wait`: milliseconds that the frames may wait there. */
  send(frames: readonly Buffer[], wait: number): Posted {
    const exchange = this.#idle ?? this.#connect();
    this.#idle = undefined;
    const length = frames.reduce((sum, frame) => sum + frame.length, 0);
    const head = `${this.#head}content-length: ${length}\r\n${waitHeader}: ${Math.ceil(wait)}\r\n\r\n`;
    const outcome = exchange.ask(Buffer.concat([Buffer.from(head, 'latin1'), ...frames]));
    return { outcome, cancel: () => exchange.end() };
  }

  /** The connection is closed as soon as nothing is under way. */
  retire(): void {
    this.#retired = true;
    this.#idle?.end();
  }

  /** Ends what is under way, too. */
  close(): void {
    for (const exchange of this.#open) exchange.end();
  }

  #connect(): Exchange {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    const exchange: Exchange = new Exchange(socket, {
      free: () => {
        if (this.#retired || this.#idle) exchange.end();
        else this.#idle = exchange;
      },
      closed: () => {
        this.#open.delete(exchange);
        if (this.#idle === exchange) this.#idle = undefined;
      },
    });
    this.#open.add(exchange);
    return exchange;
  }
}

interface ExchangeEvents {
  /** The answer is there, and the connection may be used again. */
  free(): void;
  closed(): void;
}

/** One connection: a request, its answer, and the next request. */
class Exchange {
  readonly #socket: Socket;
  readonly #events: ExchangeEvents;
  #text = '';
  #settle: ((outcome: Outcome) => void) | undefined;

  constructor(socket: Socket, events: ExchangeEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.setEncoding('latin1').setTimeout(idleTimeout);
    socket.on('data', (text: string) => this.#heard(text));
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => this.#done(nobody.has(code) ? 'gone' : 'unknown'));
    // The other side's end is the end, even in the middle of an answer.
    socket.on('end', () => this.end());
    socket.on('timeout', () => this.#settle || this.end());
    socket.on('close', () => {
      this.#done('unknown');
      events.closed();
    });
  }

  ask(request: Buffer): Promise<Outcome> {
    this.#socket.ref();
    this.#socket.write(request);
    return new Promise((resolve) => (this.#settle = resolve));
  }

  end(): void {
    this.#socket.destroy();
  }

  #heard(text: string): void {
    this.#text += text;
    const answer = answerIn(this.#text);
    if (answer === 'partial' && this.#text.length <= longestAnswer) return;
    if (typeof answer !== 'object' || !this.#settle) return this.end();
    this.#text = '';
    this.#socket.unref();
    if (answer.last) this.end();
    else this.#events.free();
    this.#done(outcomeOf(answer));
  }

  #done(outcome: Outcome): void {
    this.#settle?.(outcome);
    this.#settle = undefined;
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  /** The connection ends with it. */
  readonly last: boolean;
}

/** `foreign`: no answer as a door gives it. */
function answerIn(text: string): HttpAnswer | 'partial' | 'foreign' {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return 'partial';
  const head = text.slice(0, end);
  const [, status] = /^HTTP\/1\.[01] ([2-5]\d\d)(?: |\r|$)/.exec(head) ?? [];
  const [, length] = /\r\ncontent-length: *(\d{1,9}) *(?:\r|$)/i.exec(head) ?? [];
  if (status === undefined) return 'foreign';
  const last = length === undefined || /\r\nconnection: *close/i.test(head);
  if (length === undefined) return { status: Number(status), body: '', last };
  const body = text.slice(end + 4);
  if (body.length < Number(length)) return 'partial';
  return body.length > Number(length) ? 'foreign' : { status: Number(status), body, last };
}

/** Whatever is said but for 200, nothing was taken. Another program may have got the port of one that is no more. */
function outcomeOf({ status, body }: HttpAnswer): Outcome {
  if (status === 200) return parse(body) ?? 'gone';
  return status === 404 ? 'gone' : { taken: 0, waiting: Infinity };
}

function parse(text: string): Answer | undefined {
  const [, taken, waiting] = /^(\d{1,9}) (\d{1,9})$/.exec(text) ?? [];
  return taken === undefined ? undefined : { taken: Number(taken), waiting: Number(waiting) };
}
