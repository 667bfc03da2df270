import { MicroError } from '@micro/errors';
import type { Logger } from '@micro/telemetry';

export interface Lifecycle {
  /** Stops what the process does, in good order. Called once. */
  readonly stop: () => Promise<void>;
  readonly logger: Logger;
}

const signals = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Makes this process live and die well. SIGTERM, SIGINT and the end of a parent that opened an IPC channel stop it in good order, exit
 * code 0; the same signal again ends it at once. Two different signals are one wish: ctrl-c sends SIGINT to a whole process group while
 * a supervisor sends SIGTERM. What nobody caught is logged once, exit code 1, unless the program listens for it itself.
 *
 * Returns the way to undo all this.
 */
export function ownProcess({ stop, logger }: Lifecycle): () => void {
  let stopping = false;
  const seen = new Set<keyof typeof signals>();

  const begin = (reason: string) => {
    if (stopping) return;
    stopping = true;
    logger.info(`stopping: ${reason}`);
    stop().then(
      () => process.exit(0),
      (error: unknown) => fail(logger, error),
    );
  };
  const onSignal = (signal: NodeJS.Signals) => {
    const known = signal as keyof typeof signals;
    if (seen.has(known)) process.exit(128 + signals[known]);
    seen.add(known);
    begin(signal);
  };
  const onDisconnect = () => begin('the parent process is gone');
  const onUncaught = (error: unknown) => {
    if (process.listenerCount('uncaughtException') > 1) return;
    fail(logger, error);
  };

  for (const signal of Object.keys(signals)) process.on(signal, onSignal);
  // Whoever read our log is gone: what was to be stopped in good order still is.
  const streams = [process.stdout, process.stderr];
  for (const stream of streams) stream.on('error', ignoreBrokenPipe);
  process.on('uncaughtException', onUncaught);
  if (process.channel) {
    process.on('disconnect', onDisconnect);
    // Waiting for the parent's end alone is no reason to live.
    process.channel.unref();
  }
  // Where the parent died while this program was being loaded nobody is going to tell. Without a channel from the start this is undefined.
  const orphaned = process.connected === false ? setImmediate(onDisconnect) : undefined;
  return () => {
    clearImmediate(orphaned);
    for (const signal of Object.keys(signals)) process.off(signal, onSignal);
    for (const stream of streams) stream.off('error', ignoreBrokenPipe);
    process.off('uncaughtException', onUncaught);
    process.off('disconnect', onDisconnect);
  };
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** Tells a parent that opened an IPC channel that the process serves, and where. */
export function tellReady(address: string): void {
  if (process.connected) process.send?.({ ready: true, address });
}

/** Says in one line what is wrong, with a stack only where the fault is in the program, and ends the process. */
export function fail(logger: Logger, error: unknown): never {
  if (error instanceof MicroError && error.code !== 'internal') {
    logger.error(error.detail, { code: (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.code });
  } else {
    const cause = error instanceof Error ? error : new Error(String(error));
    logger.error(`stopped by an error that nothing caught: ${cause.message}`, { error: cause });
  }
  process.exit(1);
}
