import { setTimeout as sleep } from 'node:timers/promises';
import { type Code, MicroError } from '@micro/errors';
import type { Logger } from '@micro/telemetry';
import type { Platform } from './platform.js';

/** What an app may have in a server of others. */
export type Block = 'registry' | 'broker' | 'events' | 'store' | 'blobs' | 'locks';

/** Adapters with such a server. All others are there as soon as the process is. */
const servers: ReadonlySet<string> = new Set(['etcd', 'nats', 'jetstream', 'cockroach']);

/** Something that only the server can answer, and that costs it next to nothing; that there is no such thing is an answer, too. */
const questions: Readonly<Record<Block, (platform: Platform) => Promise<unknown>>> = {
  registry: ({ registry }) => registry.list(),
  broker: ({ broker }) => broker.topics(),
  events: ({ events }) => events.streams(),
  store: ({ store }) => store.read('nothing'),
  blobs: ({ blobs }) => blobs.info('nothing'),
  locks: ({ locks }) => locks.release('nothing', 'nobody'),
};

/** What waiting does not mend: settings that are wrong, and servers that lack something. */
const lasting: ReadonlySet<Code> = new Set([
  'invalid_argument',
  'failed_precondition',
  'unauthenticated',
  'permission_denied',
  'unimplemented',
]);

const pause = { first: 250, most: 5_000 } as const;

/** Of these blocks the ones that are kept in a server of others. */
export function blocksOnServers({ config }: Platform, blocks: readonly Block[]): Block[] {
  return blocks.filter((block) => servers.has(config[block].adapter));
}

/**
 * Resolves when the server of each block has answered once, or when the signal aborts. One that is away is waited for, with growing pauses,
 * and named once; MicroError where waiting would not help.
 */
export async function reach(platform: Platform, blocks: readonly Block[], signal: AbortSignal): Promise<void> {
  await Promise.all(blocks.map((block) => reachOne(() => questions[block](platform), platform.logger, signal)));
}

async function reachOne(ask: () => Promise<unknown>, logger: Logger, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await ask();
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      const error = MicroError.from(thrown);
      if (error.code === 'not_found') return;
      if (lasting.has(error.code)) throw error;
      if (attempt === 0) logger.warn(`not ready yet, trying on: ${error.detail}`);
      await sleep(Math.min(pause.first * 2 ** attempt, pause.most), undefined, { signal }).catch(() => undefined);
    }
  }
}
