import { setTimeout as sleep } from 'node:timers/promises';
import type { JetstreamServer } from './jetstream-server.js';
import type { JetstreamStream } from './jetstream-stream.js';
import { sizeOf } from './validation.js';

/** Milliseconds between two looks at what a stream holds. */
const interval = 250;
/** Of the room there is, what is published from here before the next look: others may publish as well. */
const share = 0.25;
/** Events looked at when some are to be removed. */
const step = 256;

/**
 * Retention by bytes, by whoever publishes. JetStream's own limit counts more than bodies and headers, and sets aside the whole of it for each
 * stream, so that a disk of 100 GiB would have room for 75 streams.
 */
export class Trimmer {
  readonly #stream: JetstreamStream;
  readonly #server: JetstreamServer;
  readonly #most: number;
  #published = 0;
  #room = 0;
  #trimming: Promise<void> | undefined;

  constructor(stream: JetstreamStream, options: { readonly server: JetstreamServer; readonly most: number }) {
    this.#stream = stream;
    this.#server = options.server;
    this.#most = options.most;
  }

  /** Looks before long, if that may have been too much. */
  published(bytes: number): void {
    this.#published += bytes;
    if (this.#published >= this.#room) this.#trimming ??= this.#trim();
  }

  async #trim(): Promise<void> {
    do {
      this.#published = 0;
      // What it cannot now, it does after the next event.
      this.#room = await this.#look().catch(() => 0);
      await sleep(interval, undefined, { ref: false });
    } while (this.#published > 0 && this.#published >= this.#room);
    this.#trimming = undefined;
  }

  /** Removes the oldest until the rest is not too much. Returns how many bytes may be published until the next look. */
  async #look(): Promise<number> {
    for (;;) {
      const state = await this.#stream.size();
      // Too much is not removed: who does not know what there is looks again.
      if (!state?.isExact) return 0;
      const over = state.bytes - this.#most;
      if (over <= 0) return -over * share;
      await this.#stream.refresh();
      await this.#server.purge(this.#stream.place.name, { seq: await this.#cut(state.first, over) });
    }
  }

  /**
   * The offset before which so many bytes are, from the first on, or fewer: as many as are looked at, up to where one is missing, since somebody else may
   * have removed that just now, and with it what is too much.
   */
  async #cut(first: number, over: number): Promise<number> {
    let bytes = 0;
    let cut = first;
    for (const event of await this.#stream.after(first, step)) {
      if (bytes >= over || Number(event.offset) !== cut) break;
      bytes += sizeOf(event);
      cut = Number(event.offset) + 1;
    }
    return cut;
  }
}
