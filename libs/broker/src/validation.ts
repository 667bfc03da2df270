import { MicroError } from '@micro/errors';
import { brokerLimits, defaultNamespace, type Message, type NewMessage } from './broker.js';

/** What every adapter makes of a message before it sends it: checked, its header names in lower case, its bytes still the caller's. */
export function checkedMessage(topic: string, { body = new Uint8Array(), headers = {} }: NewMessage): Message {
  checkName('topic', topic);
  if (!(body instanceof Uint8Array)) throw invalid(`the body of a message is a Uint8Array, not ${typeof body}`);
  if (body.length > brokerLimits.bodyBytes) {
    throw invalid(
      `the body of a message has at most ${brokerLimits.bodyBytes} bytes, this one has ${body.length}: publish where it can be read instead`,
    );
  }
  return { topic, body, headers: checkedHeaders(headers) };
}

/** Undefined for none. */
export function checkedQueue(queue: string | undefined): string | undefined {
  if (queue === undefined || queue === '') return undefined;
  checkName('queue', queue);
  return queue;
}

export function checkedTopic(topic: string): string {
  checkName('topic', topic);
  return topic;
}

/** The namespace that is meant; `micro` if none is given. */
export function checkedNamespace(namespace: string = defaultNamespace): string {
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(namespace)) {
    throw invalid(`namespace ${quote(namespace)} may only have letters, digits, '.', '_' and '-', at most 100 of them`);
  }
  return namespace;
}

/** Messages that may wait. */
export function checkedBuffer(buffer: number = 1_000): number {
  if (!(Number.isSafeInteger(buffer) && buffer >= 1))
    throw invalid(`buffer ${buffer} is no whole number of messages, at least 1`);
  return buffer;
}

/** What every call on a closed broker is answered with. */
export function closed(): MicroError {
  return new MicroError('unavailable', 'this broker is closed: open another', { id: 'broker' });
}

/** What publish() throws when its signal aborts. */
export function canceled(): MicroError {
  return new MicroError('canceled', 'the publisher waits no longer; some subscribers may get the message', {
    id: 'broker',
  });
}

export function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'broker' });
}

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Control characters but the tab, and halves of surrogate pairs. */
const unprintable = /[^\t\P{Cc}]|\p{Cs}/u;

/** Their names in lower case. */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (entries.length === 0) return {};
  let bytes = 0;
  for (const [name, value] of entries) {
    if (!headerName.test(name))
      throw invalid(`the header name ${quote(name)} may only have letters, digits and !#$%&'*+-.^_\`|~, as in HTTP`);
    if (typeof value !== 'string' || unprintable.test(value))
      throw invalid(`the header ${quote(name)} has a value that is no text, or has control characters`);
    bytes += name.length + Buffer.byteLength(value);
  }
  if (bytes > brokerLimits.headerBytes) {
    throw invalid(`the headers of a message have at most ${brokerLimits.headerBytes} bytes, these have ${bytes}`);
  }
  // Own properties, whatever they are called.
  const checked = Object.fromEntries(entries);
  if (Object.keys(checked).length < entries.length) throw invalid('two headers have the same name, but for its case');
  return checked;
}

/** Of a topic, a queue, a stream or a group. */
export function checkName(what: string, name: string): void {
  if (typeof name !== 'string' || name === '') throw invalid(`the ${what} has no name`);
  if (name.length > brokerLimits.nameLength)
    throw invalid(
      `the name of the ${what} ${quote(name)} is longer than ${brokerLimits.nameLength} characters, the limit`,
    );
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name)) {
    throw invalid(
      `the name of the ${what} ${quote(name)} may only have letters, digits, '.', '_' and '-', and begins and ends with a letter or digit`,
    );
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
