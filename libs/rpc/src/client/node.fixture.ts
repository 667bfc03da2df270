/** A node as a process of its own, to be killed and stopped: the echo service on the port that its argument says. */
import { echoServer } from './echo.fixture.js';

const [port = '0'] = process.argv.slice(2);
void echoServer({}, { port: Number(port) }).then(({ address }) => {
  process.send?.({ ready: true, address });
});
process.on('disconnect', () => process.exit());
