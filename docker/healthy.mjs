/** Of a container: whether the process in it answers that it is ready. */
const [, port] = /:(\d+)$/.exec(process.env.MICRO_ADDRESS ?? '') ?? [];
const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
process.exitCode = answer?.ok ? 0 : 1;
