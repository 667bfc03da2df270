import type { NewMessage } from './broker.js';

/** What a caller gives is his again while it waits to be sent: this is as it was. What is no message is left to those who check it. */
export function ownMessage<M extends NewMessage>(message: M): M {
  const { body, headers } = message;
  return {
    ...message,
    body: body instanceof Uint8Array ? new Uint8Array(body) : body,
    headers: headers && { ...headers },
  };
}
