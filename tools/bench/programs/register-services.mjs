/** Keeps so many services registered over the registry's own RPC, renewed every ten seconds as the SDK does. */
const [address, count] = process.argv.slice(2);
const names = Array.from({ length: Number(count) }, (_, index) => `idle-${index}`);

await register();
console.log('registered');
setInterval(() => void register(), 10_000);
process.on('SIGTERM', () => process.exit(0));

async function register() {
  for (const name of names) {
    const service = { name, version: 'latest', nodes: [{ id: `${name}-1`, address: '127.0.0.1:1' }] };
    const answer = await fetch(`http://${address}/registry.Registry/Register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }
}
