/**
 * Runs what goes on until ctrl-c: the first SIGINT or SIGTERM aborts the signal, so that it ends in good order, which is success; a second one
 * ends the process as it would any other.
 */
export async function untilInterrupted(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, interrupt);
  try {
    await run(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}
