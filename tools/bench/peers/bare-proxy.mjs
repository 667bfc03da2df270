/** A reverse proxy on `node:http` and nothing else: the least that one hop costs in Node. */
import { Agent, createServer, request as send } from 'node:http';

const [port, target] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
createServer((request, response) => {
  const outgoing = send(
    { host: '127.0.0.1', port: target, path: request.url, method: request.method, headers: request.headers, agent },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  outgoing.on('error', () => response.writeHead(502).end());
  request.pipe(outgoing);
}).listen(port, '127.0.0.1');
