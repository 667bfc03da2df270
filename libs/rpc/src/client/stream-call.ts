import { MicroError } from '@micro/errors';
import { Metadata } from '../metadata.js';
import type { Group } from './directory.js';
import type { GrpcOutcome } from './grpc-status.js';
import type { GrpcStream } from './grpc-stream.js';
import { gzipped } from './outgoing.js';
import type { Peer } from './peer.js';
import { deadlines, Timed } from './timing-wheel.js';
import { type CallEnvironment, closedError, tooManyCalls, unreachable } from './call-environment.js';

export interface StreamRequest {
  /** For messages: the service that is called. */
  readonly service: string;
  readonly path: string;
  /** Flat, without those of gRPC itself. */
  readonly headers: readonly string[];
  /** When the call must be over, in milliseconds of `performance.now()`; may be Infinity. */
  readonly deadline: number;
  /** Milliseconds that it was given, for messages. */
  readonly timeout: number;
  /** Messages to send. Read as fast as they can be sent; returned when the call ends before they do. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Messages of this many bytes or more are compressed; undefined: none. */
  readonly compressFrom: number | undefined;
}

/** Times that a stream is tried again when the only node there is refuses it. */
const maxAgain = 2;

/**
 * A streaming call: chooses a node, connects, and from then on is bound to it. Only connecting is tried again, on another node, since of
 * what was sent it cannot be known what was done with it.
 */
export class StreamCall extends Timed {
  /** Response headers; empty if the call ended without. Never rejects. */
  readonly headers: Promise<Metadata>;
  /** How it ended; never rejects. Known once all messages have been read, or at once if the call was canceled or broke off. */
  readonly outcome: Promise<GrpcOutcome>;
  readonly #environment: CallEnvironment;
  readonly #request: StreamRequest;
  readonly #begun = performance.now();
  #group: Group | undefined;
  readonly #opened: Promise<GrpcStream | undefined>;
  #resolveOpened!: (stream: GrpcStream | undefined) => void;
  #peer: Peer | undefined;
  #stream: GrpcStream | undefined;
  /** Why there is no stream. */
  #failure: GrpcOutcome | undefined;
  #sending: AsyncIterator<Uint8Array> | undefined;
  #over = false;

  constructor(environment: CallEnvironment, group: Promise<Group>, request: StreamRequest) {
    super();
    this.#environment = environment;
    this.#request = request;
    environment.streams.add(this);
    environment.budget.deposit(this.#begun);
    environment.metrics?.callStarted('client');
    this.#opened = new Promise((resolve) => (this.#resolveOpened = resolve));
    this.headers = this.#opened.then((stream) => stream?.headers ?? new Metadata());
    this.outcome = this.#opened
      .then((stream) => stream?.outcome ?? (this.#failure as GrpcOutcome))
      .then((outcome) => this.#end(outcome));
    if (request.deadline <= this.#begun) this.expire();
    else if (request.deadline !== Number.POSITIVE_INFINITY) deadlines.add(this, request.deadline);
    group.then((found) => this.#enter(found)).catch((error) => this.#fail(MicroError.from(error)));
    void this.#send();
  }

  /** The next message; undefined after the last, and when the call has failed. To be asked for one at a time. */
  async read(): Promise<Uint8Array | undefined> {
    return (this.#stream ?? (await this.#opened))?.read();
  }

  /** Breaks the call off. */
  cancel(reason: MicroError): void {
    if (this.#over || this.#failure) return;
    if (this.#stream) this.#stream.cancel(reason);
    else this.#fail(reason);
  }

  /** The deadline. */
  expire(): void {
    const { service, path, timeout } = this.#request;
    // A node that has answered is alive, and only slow.
    if (this.#stream && !this.#stream.answered) this.#peer?.ejection.failed('timeout');
    const detail = `${path} of ${service} was not done within ${Math.max(0, Math.round(timeout))} ms: see its log, or give the call more time`;
    this.cancel(new MicroError('deadline_exceeded', detail, { id: this.#environment.name }));
  }

  #enter(group: Group): Promise<void> | undefined {
    if (this.#failure) return undefined;
    if (this.#environment.closed) throw closedError();
    if (group.inFlight >= group.limit) throw tooManyCalls(group, this.#environment.name);
    group.inFlight++;
    this.#group = group;
    return this.#open(group);
  }

  async #open(group: Group): Promise<void> {
    const { path, headers, deadline, compressFrom } = this.#request;
    const tried: Peer[] = [];
    let again = 0;
    let cause: unknown;
    while (!this.#failure) {
      const peer = group.balancer.pick(performance.now(), (candidate) => tried.includes(candidate));
      if (peer) {
        try {
          return this.#bind(
            peer,
            await peer.grpc.open(
              path,
              compressFrom === undefined ? headers : ['grpc-encoding', 'gzip', ...headers],
              deadline,
            ),
          );
        } catch (error) {
          cause = error;
          peer.ejection.failed('refused');
          tried.push(peer);
        }
      } else if (again < maxAgain && this.#environment.budget.withdraw(performance.now())) {
        await new Promise((resolve) => setTimeout(resolve, (10 + Math.random() * 30) * 4 ** again));
        again++;
        tried.length = 0;
      } else {
        this.#fail(unreachable(group, this.#environment.name, cause));
      }
    }
  }

  #bind(peer: Peer, stream: GrpcStream): void {
    if (this.#failure) return stream.cancel(closedError());
    this.#peer = peer;
    this.#stream = stream;
    peer.streams++;
    this.#resolveOpened(stream);
  }

  #fail(error: MicroError): void {
    this.#failure ??= { error, trailers: new Metadata() };
    this.#resolveOpened(undefined);
  }

  async #send(): Promise<void> {
    const stream = await this.#opened;
    const messages = this.#request.messages[Symbol.asyncIterator]();
    this.#sending = messages;
    try {
      while (stream && !this.#over) {
        const next = await messages.next();
        if (next.done) return stream.end();
        const compress = next.value.length >= (this.#request.compressFrom ?? Number.POSITIVE_INFINITY);
        await stream.write(compress ? await gzipped(next.value) : next.value, compress);
      }
      await messages.return?.();
    } catch (error) {
      this.cancel(
        error instanceof MicroError
          ? error
          : new MicroError('canceled', `the messages to send failed: ${String(error)}`, { cause: error }),
      );
    }
  }

  #end(outcome: GrpcOutcome): GrpcOutcome {
    this.#over = true;
    deadlines.remove(this);
    if (this.#group) this.#group.inFlight--;
    this.#environment.streams.delete(this);
    const seconds = (performance.now() - this.#begun) / 1000;
    this.#environment.metrics?.callFinished('client', this.#request.path, outcome.error?.code ?? 'ok', seconds);
    const peer = this.#peer;
    if (peer) {
      peer.streams--;
      if (outcome.fault) peer.ejection.failed(outcome.fault);
      else if (outcome.refused) peer.ejection.failed('refused');
      else if (this.#stream?.answered) peer.ejection.succeeded();
    }
    // Not awaited: what is to be sent may never come.
    this.#sending?.return?.().catch(() => undefined);
    return outcome;
  }
}
