import { canceled } from './validation.js';

/** Waits, unless the signal aborts: MicroError `canceled` then. */
export async function unlessAborted<T>(sent: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return sent;
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => (abort = () => reject(canceled())));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([sent, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
