/** What was published: by whom, as which of his. */
export interface Sent {
  readonly publisher: string;
  /** 0, 1, 2 … of each publisher. */
  readonly sequence: number;
}

/** What came to a subscriber, in the order in which it came. */
export interface Received extends Sent {
  readonly subscriber: string;
  /** Of subscribers who share; empty for one who gets everything. */
  readonly group: string;
}

/** What a broker or a stream of events promises. */
export interface DeliveryPromise {
  /** Each message at most, or at least, once to each group and to each subscriber without one; `exactly` is both. */
  readonly times: 'at most once' | 'at least once' | 'exactly once';
  /** Whether messages of a publisher first come in his order: to each subscriber, to each group, or not. */
  readonly order: 'subscriber' | 'group' | 'none';
}

export interface DeliveryHistory {
  readonly sent: readonly Sent[];
  readonly received: readonly Received[];
  /** Groups, and subscribers without one, that must have got it all, though nothing may have come to them. */
  readonly receivers: readonly string[];
}

/** What is wrong with a history of messages, a line each; empty for one that keeps the promise. */
export function checkDeliveries(
  { sent, received, receivers }: DeliveryHistory,
  promise: DeliveryPromise,
): readonly string[] {
  const problems: string[] = [];
  const known = new Set(sent.map(nameOf));
  if (known.size < sent.length) throw new RangeError('a message was sent twice under one name');
  const byReceiver = groupBy(received, receiverOf);
  for (const message of received)
    if (!known.has(nameOf(message))) problems.push(`${receiverOf(message)} got ${nameOf(message)}, which nobody sent`);
  for (const receiver of new Set([...receivers, ...byReceiver.keys()])) {
    const counts = new Map<string, number>();
    for (const message of byReceiver.get(receiver) ?? [])
      counts.set(nameOf(message), (counts.get(nameOf(message)) ?? 0) + 1);
    if (promise.times !== 'at most once') {
      for (const name of known) if (!counts.has(name)) problems.push(`${receiver} never got ${name}`);
    }
    if (promise.times !== 'at least once') {
      for (const [name, count] of counts) if (count > 1) problems.push(`${receiver} got ${name} ${count} times`);
    }
  }
  if (promise.order !== 'none') {
    const ordered =
      promise.order === 'group' ? byReceiver : groupBy(received, ({ subscriber, group }) => `${group}/${subscriber}`);
    for (const [receiver, messages] of ordered) problems.push(...reordered(receiver, messages));
  }
  return problems;
}

/** Of each message the first delivery counts: what is delivered again comes late by its nature. */
function reordered(receiver: string, messages: readonly Received[]): string[] {
  const problems: string[] = [];
  const met = new Set<string>();
  const last = new Map<string, number>();
  for (const message of messages) {
    if (met.has(nameOf(message))) continue;
    met.add(nameOf(message));
    const before = last.get(message.publisher) ?? -1;
    if (message.sequence < before)
      problems.push(`${receiver} got ${nameOf(message)} after ${message.publisher}#${before}`);
    last.set(message.publisher, Math.max(before, message.sequence));
  }
  return problems;
}

function nameOf({ publisher, sequence }: Sent): string {
  return `${publisher}#${sequence}`;
}

function receiverOf({ group, subscriber }: Received): string {
  return group === '' ? subscriber : group;
}

function groupBy(messages: readonly Received[], key: (message: Received) => string): Map<string, Received[]> {
  const groups = new Map<string, Received[]>();
  for (const message of messages) {
    const group = groups.get(key(message));
    if (group) group.push(message);
    else groups.set(key(message), [message]);
  }
  return groups;
}
