/** A Moleculer service over its TCP transporter. */
import { ServiceBroker } from 'moleculer';

const [port, gateway] = process.argv.slice(2).map(Number);
const broker = new ServiceBroker({
  nodeID: 'service',
  logger: false,
  transporter: {
    type: 'TCP',
    options: { udpDiscovery: false, port, urls: [`127.0.0.1:${gateway}/gateway`, `127.0.0.1:${port}/service`] },
  },
});
broker.createService({ name: 'helloworld', actions: { call: (context) => ({ msg: `Hello ${context.params.name}` }) } });
await broker.start();
