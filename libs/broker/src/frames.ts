/**
 * Messages as they are sent to a subscriber, one behind the other:
 *
 *     length of the headers, length of the body (4 bytes each, big-endian), headers (a JSON object, or nothing for none), body
 */
import { brokerLimits, type Message } from './broker.js';
import { checkedMessage, invalid } from './validation.js';

/** Bytes that are sent at once: of one message at most, or of many up to here. */
export const batchBytes = 2 * (brokerLimits.bodyBytes + brokerLimits.headerBytes);

const prefix = 8;

/** A copy: what becomes of the message later changes nothing. */
export function encodeFrame({ headers, body }: Pick<Message, 'headers' | 'body'>): Buffer {
  let text = '';
  for (const _ in headers) {
    text = JSON.stringify(headers);
    break;
  }
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(prefix + length + body.length);
  frame.writeUInt32BE(length, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.write(text, prefix);
  frame.set(body, prefix + length);
  return frame;
}

/** Throws MicroError `invalid_argument` for what is no messages; bodies are views of `bytes`. */
export function decodeFrames(bytes: Uint8Array, topic: string): Message[] {
  const messages: Message[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < prefix) throw invalid('the messages end within a message');
    const body = at + prefix + view.getUint32(at);
    const end = body + view.getUint32(at + 4);
    if (end > bytes.length) throw invalid('the messages end within a message');
    const content = new Uint8Array(bytes.buffer, bytes.byteOffset + body, end - body);
    // Of most there is nothing else to be checked.
    const isPlain = body === at + prefix && content.length <= brokerLimits.bodyBytes;
    if (isPlain) messages.push({ topic, headers: {}, body: content });
    else
      messages.push(
        checkedMessage(topic, { headers: decodeHeaders(bytes.subarray(at + prefix, body)), body: content }),
      );
    at = end;
  }
  return messages;
}

function decodeHeaders(bytes: Uint8Array): Record<string, string> {
  if (bytes.length === 0) return {};
  let headers: unknown;
  try {
    headers = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('the headers of a message are no JSON');
  }
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw invalid('the headers of a message are no JSON object');
  return headers as Record<string, string>;
}
