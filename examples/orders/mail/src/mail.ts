import { type Handlers, logger, MicroError, stream, table } from '@micro/service';
import type { Letter, Mail } from '../proto/mail.micro.js';

/** What orders tells, as far as mail is concerned. */
interface Decided {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  readonly quantity: number;
  readonly reserved: boolean;
}

const group = 'mail';
const placed = stream<Decided>('orders.placed');
const letters = table<Letter>('letters');
/** The right address, by the wrong one. */
const corrections = table<string>('corrections');

export const handlers: Handlers<typeof Mail> = {
  async get({ order }) {
    const letter = await letters.find(order);
    if (!letter) throw new MicroError('not_found', `there is no letter about order ${order}`);
    return letter.value;
  },

  async *undelivered() {
    for (const { value, reason } of await placed.deadLetters({ group }))
      yield { order: value?.id, address: value?.customer, reason };
  },

  async correct({ address, right }) {
    if (!isAddress(right)) throw new MicroError('invalid_argument', `${JSON.stringify(right)} is no address either`);
    await corrections.write(address, right);
    const dead = (await placed.deadLetters({ group })).filter(({ value }) => value?.customer === address);
    return { replayed: await placed.replay({ group, offsets: dead.map(({ event }) => event.offset) }) };
  },
};

/** Writes a letter for each order, until the service stops. An event may come again, so there is one letter an order, however often it is written. */
export async function writeLetters(): Promise<void> {
  // Who has not written within five seconds is gone, and another gets the event.
  await placed.process(
    { group, concurrency: 8, ackWait: 5_000 },
    async ({ id, customer, item, quantity, reserved }, event) => {
      const to = isAddress(customer) ? customer : (await corrections.find(customer))?.value;
      // Trying again does not make it an address: a dead letter at once, for somebody to look at.
      if (!to) return event.reject(`${JSON.stringify(customer)} is no address`);
      const text = reserved ? `Your ${quantity} × ${item} will be with you soon.` : `We are out of ${item}.`;
      await letters.update(id, (before) => before ?? { order: id, to, text });
      logger.info(`wrote to ${to}`, { order: id });
    },
  );
}

function isAddress(text: string): boolean {
  return /^\S+@\S+$/.test(text);
}
