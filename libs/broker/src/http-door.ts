import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MicroError } from '@micro/errors';
import { batchBytes, decodeFrames } from './frames.js';
import { type Lane, take } from './lane.js';

export const contentType = 'application/vnd.micro.messages';
/** Milliseconds that the messages of a request may wait for room. */
export const waitHeader = 'micro-wait';

/** Where the messages for a subscription go. */
export interface Receiver {
  readonly topic: string;
  readonly lane: Lane;
}

/** Milliseconds that a request may ask to wait. */
const longestWait = 10_000;
/** Milliseconds that closing waits for publishers to hang up: those who have not heard by then, or have sent half of something, are cut off. */
const closeTimeout = 500;

/**
 * The HTTP server that a process's subscriptions are posted to: `POST /<subscription>`, answered when the messages have been taken. Whoever
 * knows a subscription's name may post to it; web pages, which may post to any port of the machine, cannot know it, and are refused besides.
 */
export class Door {
  readonly #host: string;
  readonly #receivers = new Map<string, Receiver>();
  #server: Server | undefined;
  #connections = 0;
  /** Nobody is connected any more. */
  #quiet: () => void = () => undefined;
  #address: Promise<string> | undefined;

  constructor(host: string) {
    this.#host = host;
  }

  /** `host:port`; it is opened by the first who asks. */
  address(): Promise<string> {
    return (this.#address ??= this.#listen().catch((error: unknown) => {
      this.#address = undefined;
      throw error;
    }));
  }

  get(subscription: string): Receiver | undefined {
    return this.#receivers.get(subscription);
  }

  add(subscription: string, receiver: Receiver): void {
    this.#receivers.set(subscription, receiver);
  }

  remove(subscription: string): void {
    this.#receivers.delete(subscription);
  }

  /** To be called when there are no subscriptions any more. What publishers send until they hear of that is answered, so that another of a queue gets it. */
  async close(): Promise<void> {
    await this.#address?.catch(() => undefined);
    const server = this.#server;
    if (!server) return;
    if (this.#connections > 0) {
      let late: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
        late = setTimeout(resolve, closeTimeout);
      });
      clearTimeout(late);
    }
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<string> {
    const server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 8 * 1024 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const { status, detail } = MicroError.from(error, 'broker');
        refuse(response, status, detail);
      });
    });
    server.on('connection', (socket) => {
      this.#connections++;
      socket.once('close', () => --this.#connections === 0 && this.#quiet());
    });
    server.listen(0, this.#host);
    await once(server, 'listening');
    this.#server = server;
    const { address, port, family } = server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, headers, url = '' } = request;
    if (method !== 'POST') return refuse(response, 405, 'messages are posted here, and nothing else');
    if (headers.origin !== undefined) return refuse(response, 403, 'web pages do not publish here');
    if (headers['content-type'] !== contentType) return refuse(response, 415, `messages are ${contentType}`);
    const receiver = this.#receivers.get(url.slice(1));
    if (!receiver) return refuse(response, 404, 'there is no such subscription');
    const body = await read(request);
    if (!body) return refuse(response, 413, `a request has at most ${batchBytes} bytes`);
    const wait = Number(headers[waitHeader] ?? 0);
    const messages = decodeFrames(body, receiver.topic);
    const answer = await take(receiver.lane, messages, wait >= 0 ? Math.min(wait, longestWait) : 0);
    const text = `${answer.taken} ${answer.waiting}`;
    response.sendDate = false;
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length });
    response.end(text);
  }
}

/** Undefined for more than there may be. By events, because iterating over a request takes longer than all else that is done with it. */
function read(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > batchBytes) return resolve(undefined);
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > batchBytes) {
        request.pause();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)));
    request.on('error', reject);
  });
}

/** Closes the connection: what is left of the request is not read. */
function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent || response.destroyed) return;
  const text = `${reason}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
