import { MicroError } from '@micro/errors';
import type { Target } from '../discovery.js';
import type { Candidate, Health } from './balancer.js';
import { ConnectPool } from './connect-pool.js';
import { Ejection, type EjectionOptions, type Failure } from './ejection.js';
import type { Answer } from './exchange.js';
import { GrpcLane } from './grpc-lane.js';

export interface PeerOptions {
  readonly connectionsPerNode: number;
  readonly messageBytes: number;
  readonly ejection: EjectionOptions;
  readonly health: Health;
  readonly onEjection: (peer: Peer, ejected: boolean, why: Failure | undefined) => void;
}

/** Milliseconds in which a connection must be made. */
const connectTimeout = 2_000;
/** Of streams to nodes that run on our server. */
const keepalive = { every: 10_000, timeout: 5_000 };
/** Milliseconds after which an old latency counts half. */
const halfLife = 2_000;

/** One node as this client knows it: its connections on both lanes, its load and its health. */
export class Peer implements Candidate {
  /** What tells it from other peers of the client. */
  readonly key: string;
  readonly address: string;
  readonly connect: ConnectPool | undefined;
  readonly grpc: GrpcLane;
  readonly ejection: Ejection;
  inFlight = 0;
  streams = 0;
  /** Services that it is a node of. */
  references = 0;
  #latency = 0;
  #measured = 0;

  constructor(key: string, target: Target, options: PeerOptions) {
    this.key = key;
    this.address = target.address;
    this.connect = target.connect
      ? new ConnectPool(target.address, {
          connections: options.connectionsPerNode,
          messageBytes: options.messageBytes,
          connectTimeout,
        })
      : undefined;
    this.grpc = new GrpcLane(target.address, {
      connectTimeout,
      messageBytes: options.messageBytes,
      keepalive: target.connect ? keepalive : undefined,
    });
    this.ejection = new Ejection(options.ejection, {
      probe: (timeout) => this.#probe(timeout),
      changed: (ejected, why) => {
        options.health.version++;
        options.onEjection(this, ejected, why);
      },
    });
  }

  get ejected(): boolean {
    return this.ejection.ejected;
  }

  /** An open stream is mostly idle: sixteen weigh as much as one unary call. */
  get load(): number {
    return this.inFlight + (this.streams >>> 4);
  }

  get lastFailure(): number {
    return this.ejection.lastFailure;
  }

  latency(now: number): number {
    return this.#latency === 0 ? 0 : this.#latency * 2 ** ((this.#measured - now) / halfLife);
  }

  /** An answer came, `elapsed` milliseconds after the request. */
  succeeded(now: number, elapsed: number): void {
    this.#latency = this.#latency === 0 ? elapsed : this.#latency + (elapsed - this.#latency) * 0.2;
    this.#measured = now;
    this.ejection.succeeded();
  }

  /** No longer a node of any service: closed as its calls end. */
  retire(): void {
    this.ejection.close();
    this.connect?.close();
    this.grpc.close();
  }

  async destroy(): Promise<void> {
    this.ejection.close();
    this.grpc.destroy(new MicroError('canceled', 'the client was closed'));
    await this.connect?.destroy();
  }

  /** Whether anything that speaks the protocol answers, whatever it says: a node of another make has no /healthz. */
  async #probe(timeout: number): Promise<boolean> {
    if (!this.connect) return this.grpc.probe(timeout);
    // Of its own: the connections of a node that stands still do not tell whether a new one is answered.
    const pool = new ConnectPool(this.address, { connections: 1, messageBytes: 64 * 1024, connectTimeout: timeout });
    const answer = await new Promise<Answer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeout);
      const settle = (result: Answer | undefined) => {
        clearTimeout(timer);
        resolve(result);
      };
      const request = { path: '/healthz', headers: [], body: new Uint8Array() };
      pool.send(request, { answered: settle, failed: () => settle(undefined) }, 'GET');
    });
    void pool.destroy();
    return answer !== undefined && answer.status < 500;
  }
}
