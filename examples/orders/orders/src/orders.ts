import { client, type Handlers, logger, MicroError, stream, table } from '@micro/service';
import { type Order, type Orders, Status } from '../proto/orders.micro.js';
import { Stock } from '../proto/stock.micro.js';

/** What everyone else hears about an order, once it is decided. */
interface Decided {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  readonly quantity: number;
  readonly reserved: boolean;
}

const stock = client(Stock);
/** Under `order/…` each order; under `open/…` a note for each that is not decided yet, so that those are found without reading all. */
const orders = table<Order>('orders');
const open = table<{ readonly id: string }>('orders');
const placed = stream<Decided>('orders.placed');

export const handlers: Handlers<typeof Orders> = {
  async place({ id, customer, item, quantity }) {
    demand({ id, customer, item, quantity });
    const order = await keep({ id, customer, item, quantity, status: Status.PLACED });
    // From here on nothing can be lost. What cannot be decided now, because stock is away, is decided by `takeUp`.
    return finish(order).catch((error: unknown) => {
      logger.warn(`order ${id} is decided later: ${MicroError.from(error).detail}`);
      return order;
    });
  },

  async get({ id }) {
    const order = await orders.find(`order/${id}`);
    if (!order) throw new MicroError('not_found', `there is no order ${id}`);
    return order.value;
  },

  async *list() {
    for await (const { value } of orders.list({ prefix: 'order/' })) yield value;
  },
};

/** Takes up again what was not decided: by a process that was killed, or while stock, store or broker were away. */
export async function takeUp(): Promise<void> {
  try {
    for await (const { value } of open.list({ prefix: 'open/' }))
      await finish((await orders.read(`order/${value.id}`)).value);
  } catch (error) {
    logger.warn(`undecided orders are taken up later: ${MicroError.from(error).detail}`);
  }
}

/** Writes an order that is new, with its note; of one that is there already, gives what is there. */
async function keep(order: Order): Promise<Order> {
  const { id } = order;
  try {
    await orders.transact([
      { type: 'write', record: await orders.encode(`order/${id}`, order), ifVersion: 0n },
      { type: 'write', record: await open.encode(`open/${id}`, { id }), ifVersion: 0n },
    ]);
    return order;
  } catch (error) {
    if (!(error instanceof MicroError) || error.code !== 'aborted') throw error;
    const { value: kept } = await orders.read(`order/${id}`);
    const same = kept.customer === order.customer && kept.item === order.item && kept.quantity === order.quantity;
    if (!same) throw new MicroError('already_exists', `order ${id} is another one: choose a new id`);
    return kept;
  }
}

/**
 * Three steps, each of which may be repeated, so that whoever was killed in between begins again with the first: stock knows the order by its
 * id, the event has the id of the order, and an order is decided only once.
 */
async function finish(order: Order): Promise<Order> {
  if (order.status !== Status.PLACED) return order;
  const { id, customer, item, quantity } = order;
  // Less than the caller's own time, who learns then that the order is kept.
  const { reserved } = await stock.reserve({ order: id, item, quantity }, { timeout: 1_000 });
  await placed.publish({ id, customer, item, quantity, reserved }, { id });
  const decided = { ...order, status: reserved ? Status.RESERVED : Status.REFUSED };
  await orders.transact([
    { type: 'write', record: await orders.encode(`order/${id}`, decided) },
    { type: 'delete', key: `open/${id}` },
  ]);
  return decided;
}

/** Whatever is kept can be decided: what could not is refused here. */
function demand({ id, customer, item, quantity }: Omit<Order, 'status'>): void {
  const name = /^[\w.-]{1,100}$/;
  if (!name.test(id))
    throw new MicroError(
      'invalid_argument',
      'an order needs an id of your choice: 1 to 100 letters, digits, ".", "_" and "-"',
    );
  if (!name.test(item))
    throw new MicroError('invalid_argument', 'an item is called by 1 to 100 letters, digits, ".", "_" and "-"');
  if (customer.length < 1 || customer.length > 200)
    throw new MicroError('invalid_argument', 'a customer is an address of 1 to 200 characters');
  if (quantity < 1 || quantity > 1_000) throw new MicroError('invalid_argument', 'quantity must be 1 to 1,000');
}
