/** Calls a second with so many in flight, after a second of warming up. */
export async function measureCalls(call, { inFlight, seconds }) {
  await repeat(call, inFlight, 1);
  const started = performance.now();
  const count = await repeat(call, inFlight, seconds);
  return count / ((performance.now() - started) / 1000);
}

async function repeat(call, inFlight, seconds) {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  const worker = async () => {
    while (performance.now() < end) {
      const { msg } = await call();
      if (msg !== 'Hello Alice') throw new Error(`wrong answer: ${msg}`);
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return count;
}
