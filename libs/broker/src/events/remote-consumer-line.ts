import { type Code, isCode, MicroError } from '@micro/errors';
import type { eventsProto } from '@micro/proto';
import type { Event } from './events.js';
import { fromEvent } from './messages.js';
import { Outbox } from './outbox.js';
import { tooLate } from './validation.js';

export type Settle = Partial<Omit<eventsProto.ConsumeRequest_Settle, 'delivery'>>;

interface Given {
  readonly delivery: bigint;
  readonly event: Event;
  readonly attempt: number;
}

interface Settling {
  resolve(): void;
  reject(error: unknown): void;
  readonly offset: bigint;
}

interface Request {
  readonly join?: Partial<eventsProto.ConsumeRequest_Join>;
  readonly settle?: Partial<eventsProto.ConsumeRequest_Settle>;
  readonly more?: eventsProto.ConsumeRequest_More;
}

/** One call of Consume, from joining the group to the loss of the connection. */
export class ConsumerLine {
  readonly outbox = new Outbox<Request>();
  readonly #give: (given: Given) => void;
  /** By number of the delivery, in the order in which they were sent. */
  readonly #settling = new Map<bigint, Settling[]>();
  #asked = 0;
  #over = false;

  constructor(give: (given: Given) => void) {
    this.#give = give;
  }

  /** Until the answers end, or fail. */
  async run(answers: AsyncIterable<eventsProto.ConsumeResponse>, joined: () => void): Promise<void> {
    try {
      for await (const { joined: isJoined, delivered, settled } of answers) {
        if (isJoined) joined();
        else if (settled) this.#settled(settled);
        else if (delivered?.event) {
          this.#asked--;
          this.#give({ delivery: delivered.delivery, event: fromEvent(delivered.event), attempt: delivered.attempt });
        }
      }
    } finally {
      this.#over = true;
      this.outbox.end();
      // Whether it was kept, nobody says any more; the event is given out again if not.
      for (const waiting of this.#settling.values()) for (const { reject, offset } of waiting) reject(tooLate(offset));
      this.#settling.clear();
    }
  }

  /** Asks for as many as wait and have not been asked for. */
  ask(waiting: number): void {
    const count = waiting - this.#asked;
    if (count <= 0 || this.#over) return;
    this.#asked += count;
    this.outbox.push({ more: { count } });
  }

  settle(offset: bigint, settle: Settle & { readonly delivery: bigint }): Promise<void> {
    if (this.#over) return Promise.reject(tooLate(offset));
    return new Promise((resolve, reject) => {
      const waiting = this.#settling.get(settle.delivery) ?? [];
      this.#settling.set(settle.delivery, [...waiting, { resolve, reject, offset }]);
      this.outbox.push({ settle });
    });
  }

  /** Leaves the group; what was sent before is still answered. */
  end(): void {
    this.outbox.end();
  }

  #settled({ delivery, code, detail }: eventsProto.ConsumeResponse_Settled): void {
    const [first, ...others] = this.#settling.get(delivery) ?? [];
    if (others.length > 0) this.#settling.set(delivery, others);
    else this.#settling.delete(delivery);
    if (code === '') first?.resolve();
    else first?.reject(new MicroError(known(code), detail, { id: 'broker' }));
  }
}

function known(code: string): Code {
  return isCode(code) ? code : 'unknown';
}
