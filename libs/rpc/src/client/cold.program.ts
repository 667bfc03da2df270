/** Makes one unary call to the address that it is given, as the command line does, and prints its answer and whether node:http2 was loaded for it. */
import { fixedTargets } from '../discovery.js';
import { Client } from './client.js';

const client = new Client({ discovery: fixedTargets(process.argv[2] as string) });
void client.json('echo', '/echo.Echo/Say', { text: 'hello' }, { timeout: 10_000 }).then(async (answer) => {
  const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };
  process.stdout.write(JSON.stringify({ answer, http2: moduleLoadList.includes('NativeModule http2') }));
  await client.close();
});
