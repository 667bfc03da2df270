/**
 * The result of `condition` as soon as it is neither false nor undefined, asked every few milliseconds. An error that it throws counts as
 * "not yet". After `timeout` milliseconds (default 15,000) fails with `what` and the last error.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout = 15_000,
): Promise<Exclude<T, false | undefined>> {
  const end = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const result = await condition();
      if (result !== false && result !== undefined) return result as Exclude<T, false | undefined>;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
