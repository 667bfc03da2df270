import { codeFromHttp, MicroError } from '@micro/errors';
import { type CallEnvironment, closedError, tooManyCalls, unreachable } from './call-environment.js';
import { notProcessed } from '../connect-wire.js';
import type { Group } from './directory.js';
import type { Failure } from './ejection.js';
import { type Answer, type Exchange, type ExchangeListener, headerOf, type RawRequest } from './exchange.js';
import { MalformedResponse } from './http-response.js';
import type { CallOutcome } from './options.js';
import type { Peer } from './peer.js';
import { deadlines, Timed } from './timing-wheel.js';

export interface UnaryRequest extends RawRequest {
  /** For messages: the service that is called. */
  readonly service: string;
  /** When the call must be over, in milliseconds of `performance.now()`; may be Infinity. */
  readonly deadline: number;
  /** Milliseconds that it was given, for messages. */
  readonly timeout: number;
  readonly idempotent: boolean;
  /** Its body is JSON: nodes that only speak gRPC cannot take it. */
  readonly connectOnly: boolean;
}

/** The answer is there if the error is not. */
export type Settled = (error: MicroError | undefined, answer: Answer | undefined) => void;

/** Times that a call is sent at most. One that kills the nodes it reaches must not go through all of them. */
const maxSent = 3;
/** Times that a call is tried again on nodes that have refused it. */
const maxAgain = 2;

/**
 * A unary call from its first attempt to its outcome: chooses a node, sends, and on failure decides whether and where to try again.
 *
 * - Nothing was sent, or the server says that it did not process the call: tried on every other node.
 * - It may have been processed: only if the method is idempotent, and the retry budget pays for it.
 * - All nodes have been tried: again after a short while, a few times, if the budget pays for it, and the last did not take longer to say no than
 *   is left.
 * - Never past the deadline, and never after the caller has given up. Where another attempt had no time left, the outcome is what was said before.
 */
export class UnaryCall extends Timed implements ExchangeListener {
  readonly #environment: CallEnvironment;
  readonly #request: UnaryRequest;
  readonly #settled: Settled;
  #group: Group | undefined;
  #peer: Peer | undefined;
  #exchange: Exchange | undefined;
  #timeoutAt = -1;
  #begun = 0;
  #attempted = 0;
  #sent = 0;
  #again = 0;
  #tried: Peer[] | undefined;
  /** What a node said that may have processed the call, which was then tried again. */
  #said: Answer | undefined;
  #backoff: NodeJS.Timeout | undefined;
  #over = false;

  constructor(environment: CallEnvironment, request: UnaryRequest, settled: Settled) {
    super();
    this.#environment = environment;
    this.#request = request;
    this.#settled = settled;
  }

  start(group: Group | Promise<Group>): void {
    const now = performance.now();
    this.#begun = now;
    this.#environment.metrics?.callStarted('client');
    this.#environment.budget.deposit(now);
    const { deadline } = this.#request;
    if (deadline <= now) return this.#end(this.#deadlineExceeded(), undefined);
    if (deadline !== Number.POSITIVE_INFINITY) deadlines.add(this, deadline);
    if (!(group instanceof Promise)) return this.#enter(group, now);
    group.then(
      (found) => this.#over || this.#enter(found, performance.now()),
      (error) => this.#end(MicroError.from(error), undefined),
    );
  }

  /** The caller has given up. */
  cancel(reason: MicroError): void {
    this.#giveUp(reason);
  }

  /** The deadline. */
  expire(): void {
    const peer = this.#peer;
    // A call that still waits for a connection tells of the load here, not of the node's health.
    const blame = peer && !this.#exchange?.waiting;
    if (this.#said) this.#giveUp(undefined, this.#said);
    else this.#giveUp(this.#deadlineExceeded());
    if (blame) peer.ejection.failed('timeout');
  }

  answered(answer: Answer): void {
    const peer = this.#leave();
    if (!peer) return;
    const now = performance.now();
    if (answer.status === 200) {
      peer.succeeded(now, now - this.#attempted);
      return this.#end(undefined, answer);
    }
    const refused = headerOf(answer.headers, notProcessed) === 'true';
    if (refused) peer.ejection.failed('refused');
    else peer.succeeded(now, now - this.#attempted);
    const retriable = refused || (answer.status === 503 && this.#request.idempotent);
    if (!refused) this.#said = answer;
    if (!retriable || !this.#retry(peer, refused)) this.#end(undefined, answer);
  }

  failed(error: Error & { code?: unknown }, sent: boolean): void {
    const peer = this.#leave();
    if (!peer) return;
    const { closed, name } = this.#environment;
    if (closed) return this.#end(closedError(), undefined);
    const own = error instanceof MicroError ? error : localFault(error, name);
    if (own) return this.#end(own, undefined);
    peer.ejection.failed(failureOf(error, sent));
    if ((sent && !this.#request.idempotent) || !this.#retry(peer, !sent)) {
      this.#end(sent ? this.#lost(peer, error) : unreachable(this.#group as Group, name, error), undefined);
    }
  }

  #enter(group: Group, now: number): void {
    if (this.#environment.closed) return this.#end(closedError(), undefined);
    if (group.inFlight >= group.limit) return this.#end(tooManyCalls(group, this.#environment.name), undefined);
    group.inFlight++;
    this.#group = group;
    this.#attempt(group, now);
  }

  #attempt(group: Group, now: number): void {
    const connectOnly = this.#request.connectOnly && group.mixed;
    const tried = this.#tried;
    const excluded =
      tried || connectOnly
        ? (peer: Peer) => (connectOnly && !peer.connect) || (tried?.includes(peer) ?? false)
        : undefined;
    const peer = group.balancer.pick(now, excluded);
    if (!peer) return this.#end(this.#noNode(group), undefined);
    this.#writeTimeout(now);
    this.#peer = peer;
    this.#attempted = now;
    this.#sent++;
    peer.inFlight++;
    const exchange = peer.connect
      ? peer.connect.send(this.#request, this)
      : peer.grpc.unary(this.#request, this.#request.deadline, this);
    // One that failed at once has been left by now, perhaps for another.
    if (this.#peer === peer) this.#exchange ??= exchange;
  }

  /** The time that is left, as the node is told it. Less with every attempt. */
  #writeTimeout(now: number): void {
    const { headers, deadline } = this.#request;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const left = String(Math.max(1, Math.floor(deadline - now)));
    if (this.#timeoutAt < 0) this.#timeoutAt = headers.push('connect-timeout-ms', left) - 1;
    else headers[this.#timeoutAt] = left;
  }

  /** Tries again if that is allowed. `untouched`: no handler has seen the call. */
  #retry(peer: Peer, untouched: boolean): boolean {
    if (untouched) this.#sent--;
    else if (this.#sent >= maxSent) return false;
    const group = this.#group as Group;
    const tried = (this.#tried ??= []);
    tried.push(peer);
    const now = performance.now();
    const { connectOnly, deadline } = this.#request;
    if (group.peers.some((other) => !tried.includes(other) && (other.connect || !connectOnly))) {
      if (!untouched && !this.#environment.budget.withdraw(now)) return false;
      this.#attempt(group, now);
      return true;
    }
    const pause = (10 + Math.random() * 30) * 4 ** this.#again;
    // A node that took longer to find out what is wrong behind it would have no time left to say so again.
    const ended = now + pause + (now - this.#attempted) >= deadline;
    if (this.#again >= maxAgain || ended || !this.#environment.budget.withdraw(now)) return false;
    this.#again++;
    this.#tried = undefined;
    this.#backoff = setTimeout(() => this.#attempt(group, performance.now()), pause);
    return true;
  }

  /** Takes the attempt's load off its node. Undefined if the call has been given up. */
  #leave(): Peer | undefined {
    const peer = this.#peer;
    if (!peer) return undefined;
    this.#peer = undefined;
    this.#exchange = undefined;
    peer.inFlight--;
    return peer;
  }

  #giveUp(reason: MicroError | undefined, answer?: Answer): void {
    if (this.#over) return;
    clearTimeout(this.#backoff);
    const exchange = this.#exchange;
    this.#leave();
    exchange?.cancel();
    this.#end(reason, answer);
  }

  #end(error: MicroError | undefined, answer: Answer | undefined): void {
    if (this.#over) return;
    this.#over = true;
    deadlines.remove(this);
    if (this.#group) this.#group.inFlight--;
    const { metrics } = this.#environment;
    metrics?.callFinished(
      'client',
      this.#request.path,
      outcomeOf(error, answer),
      (performance.now() - this.#begun) / 1000,
    );
    this.#settled(error, answer);
  }

  #deadlineExceeded(): MicroError {
    const { service, path, timeout } = this.#request;
    const detail =
      this.#peer || this.#group
        ? `${service} did not answer ${path} within ${Math.round(timeout)} ms: see its log, or give the call more time`
        : `the deadline of ${path} passed before it could be sent`;
    return new MicroError('deadline_exceeded', detail, { id: this.#environment.name });
  }

  #lost(peer: Peer, cause: Error): MicroError {
    const { service, path } = this.#request;
    const detail = `the connection to ${service} at ${peer.address} was lost during ${path}, which may or may not have been done`;
    return new MicroError('unavailable', detail, { id: this.#environment.name, cause });
  }

  #noNode(group: Group): MicroError {
    const { service, connectOnly } = this.#request;
    const id = this.#environment.name;
    if (connectOnly && group.peers.length > 0)
      return new MicroError(
        'unimplemented',
        `${service} only speaks gRPC, which carries no JSON: call it with a message of its schema`,
        { id },
      );
    return new MicroError('unavailable', `the last node of ${service} has just gone: try again`, { id });
  }
}

function outcomeOf(error: MicroError | undefined, answer: Answer | undefined): CallOutcome {
  const failure = error ?? answer?.error;
  if (failure) return failure.code;
  return answer?.status === 200 ? 'ok' : codeFromHttp(answer?.status ?? 0);
}

/** Faults that are this process's own: no node is to blame, and none other would do better. */
function localFault(error: Error & { code?: unknown }, name: string): MicroError | undefined {
  if (error.code === 'EMFILE' || error.code === 'ENFILE' || error.code === 'EADDRNOTAVAIL')
    return MicroError.from(error, name);
  return undefined;
}

function failureOf(error: Error & { code?: unknown }, sent: boolean): Failure {
  if (!sent) return 'refused';
  return error instanceof MalformedResponse ? 'malformed' : 'reset';
}
