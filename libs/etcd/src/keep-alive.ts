import {
  castGrpcError,
  GRPCUnavailableError,
  type IDuplexStream,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
} from 'etcd3';
import type { Member } from './client.js';

type Stream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

interface Asked {
  readonly answer: Promise<number>;
  readonly resolve: (ttl: number) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** Milliseconds for an answer. */
const answerTimeout = 1_500;

/** The stream over which one process keeps all its leases alive, to one member at a time. */
export class KeepAlive {
  #line: { readonly member: Member; readonly opening: Promise<Line> } | undefined;

  /** Keeps a lease alive; milliseconds that it has from now on, 0 if etcd does not know it. Throws what the client throws. */
  async ask(member: Member, lease: string): Promise<number> {
    if (this.#line?.member !== member) {
      this.close();
      const line = { member, opening: this.#open(member, () => this.#ended(line)) };
      this.#line = line;
    }
    const line = this.#line;
    try {
      return await (await line.opening).ask(lease);
    } catch (error) {
      this.#ended(line);
      throw error;
    }
  }

  close(): void {
    this.#line?.opening.then((line) => line.end(new GRPCUnavailableError('closed'))).catch(() => undefined);
    this.#line = undefined;
  }

  async #open(member: Member, ended: () => void): Promise<Line> {
    return new Line(await member.etcd.leaseClient.leaseKeepAlive(), ended);
  }

  #ended(line: object): void {
    if (this.#line === line) this.#line = undefined;
  }
}

class Line {
  readonly #stream: Stream;
  readonly #ended: () => void;
  /** By lease. */
  readonly #asked = new Map<string, Asked>();

  /** `ended`: told that nothing more can be asked, also while nothing is. */
  constructor(stream: Stream, ended: () => void) {
    this.#stream = stream;
    this.#ended = ended;
    stream.on('error', (error) => this.end(castGrpcError(error)));
    stream.on('end', () => this.end(new GRPCUnavailableError('the keep-alive was ended')));
    stream.on('data', ({ ID: lease, TTL }) => {
      const asked = this.#asked.get(lease);
      this.#asked.delete(lease);
      clearTimeout(asked?.timer);
      asked?.resolve(Number(TTL) * 1_000);
    });
  }

  ask(lease: string): Promise<number> {
    const before = this.#asked.get(lease);
    if (before) return before.answer;
    const late = () => this.end(new GRPCUnavailableError('no answer to a keep-alive'));
    let settle = {} as Pick<Asked, 'resolve' | 'reject'>;
    const answer = new Promise<number>((resolve, reject) => (settle = { resolve, reject }));
    this.#asked.set(lease, { ...settle, answer, timer: setTimeout(late, answerTimeout) });
    this.#stream.write({ ID: lease });
    return answer;
  }

  end(error: unknown): void {
    for (const { reject, timer } of this.#asked.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#asked.clear();
    this.#ended();
    this.#stream.cancel();
  }
}
