/** Records of the contract as messages of broker.proto, and back. */
import type { brokerProto } from '@micro/proto';
import type { Message } from './broker.js';

/** Response header of Subscribe: the name by which Unsubscribe ends it. Without it the subscription is not in force. */
export const subscriptionHeader = 'micro-subscription';

export function toMessage({ topic, headers, body }: Message): brokerProto.Message_ {
  return { topic, headers: { ...headers }, body };
}

/** A copy of the bytes, of which others are part of what came with them. */
export function fromMessage({ topic, headers, body }: brokerProto.Message_): Message {
  return { topic, headers: { ...headers }, body: new Uint8Array(body) };
}
