import { type Agent, request } from 'node:http';
import type { Answer } from './http-door.js';
import { contentType, waitHeader } from './http-frames.js';

/** `gone`: there is nobody, and nothing was taken. `unknown`: it broke off, and may have been taken. */
export type Outcome = Answer | 'gone' | 'unknown';

export interface Posted {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Waits no longer: `unknown`. */
  cancel(): void;
}

export interface Post {
  readonly agent: Agent;
  /** `host:port`. */
  readonly address: string;
  readonly subscription: string;
  readonly frames: readonly Buffer[];
  /** Milliseconds that the frames may wait there. */
  readonly wait: number;
}

/** Codes of errors after which it is certain that nobody has got anything. */
const nobody = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Sends messages to a subscriber. */
export function post({ agent, address, subscription, frames, wait }: Post): Posted {
  const colon = address.lastIndexOf(':');
  const body = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
  const sent = request({
    agent,
    method: 'POST',
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: address.slice(colon + 1),
    path: `/${subscription}`,
    headers: { 'content-type': contentType, 'content-length': body.length, [waitHeader]: Math.ceil(wait) },
  });
  const outcome = new Promise<Outcome>((resolve) => {
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(nobody.has(error.code ?? '') ? 'gone' : 'unknown'));
    sent.on('close', () => resolve('unknown'));
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => (text = (text + chunk).slice(0, 100)));
      response.on('error', () => resolve('unknown'));
      response.on('end', () => resolve(outcomeOf(response.statusCode, text)));
    });
  });
  sent.end(body);
  return { outcome, cancel: () => void sent.destroy() };
}

/** Whatever is said but for 200, nothing was taken. Another program may have got the port of one that is no more. */
function outcomeOf(status: number | undefined, text: string): Outcome {
  if (status === 200) return parse(text) ?? 'gone';
  return status === 404 ? 'gone' : { taken: 0, waiting: Infinity };
}

function parse(text: string): Answer | undefined {
  const [, taken, waiting] = /^(\d{1,9}) (\d{1,9})$/.exec(text) ?? [];
  return taken === undefined ? undefined : { taken: Number(taken), waiting: Number(waiting) };
}
