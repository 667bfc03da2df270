/** A service on `node:http` and nothing else: the least that answering JSON costs in Node. */
import { createServer } from 'node:http';

createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { name } = JSON.parse(Buffer.concat(chunks).toString());
    const body = JSON.stringify({ msg: `Hello ${name}` });
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
