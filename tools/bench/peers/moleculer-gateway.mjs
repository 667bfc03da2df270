/** Moleculer's gateway, moleculer-web, in a process of its own. */
import { ServiceBroker } from 'moleculer';
import ApiGateway from 'moleculer-web';

const [http, port, service] = process.argv.slice(2).map(Number);
const broker = new ServiceBroker({
  nodeID: 'gateway',
  logger: false,
  transporter: {
    type: 'TCP',
    options: { udpDiscovery: false, port, urls: [`127.0.0.1:${port}/gateway`, `127.0.0.1:${service}/service`] },
  },
});
broker.createService({
  name: 'api',
  mixins: [ApiGateway],
  settings: {
    port: http,
    ip: '127.0.0.1',
    routes: [{ path: '/', aliases: { 'POST helloworld/call': 'helloworld.call' }, bodyParsers: { json: true } }],
  },
});
await broker.start();
