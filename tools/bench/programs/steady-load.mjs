/**
 * An open-loop load: so many requests a second, each at its own time, over so many keep-alive connections, whether or not earlier ones were
 * answered. Latency counts from when a request was due, so that a stall is not hidden. Raw sockets, because a client library would add a
 * noise of its own. Prints { p50, p90, p99 } in milliseconds.
 */
import { connect } from 'node:net';

const [target, rate, connections, seconds] = process.argv.slice(2);
const { hostname, port, pathname, host } = new URL(target);
const body = JSON.stringify({ name: 'x'.repeat(1000) });
const request = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const latencies = [];
const sockets = await Promise.all(Array.from({ length: Number(connections) }, open));
const interval = 1000 / Number(rate);
const total = Number(rate) * Number(seconds);
const began = performance.now();
let sent = 0;
await new Promise((resolve) => {
  const tick = () => {
    const now = performance.now();
    while (sent < total && began + sent * interval <= now) {
      sockets[sent % sockets.length].send(began + sent * interval);
      sent++;
    }
    if (sent >= total) return setTimeout(resolve, 200);
    // Sleeping is exact to a millisecond only; the rest of the wait is spent in turns of the event loop.
    const wait = began + sent * interval - performance.now();
    if (wait > 1.2) setTimeout(tick, 1);
    else setImmediate(tick);
  };
  tick();
});
if (latencies.length < total * 0.999) throw new Error(`only ${latencies.length} of ${total} requests were answered`);
latencies.sort((a, b) => a - b);
const percentile = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(JSON.stringify({ p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99) }));
process.exit(0);

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve({ send }));
    const due = [];
    let pending = '';
    socket.setNoDelay(true).on('error', reject);
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      for (;;) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = pending.slice(0, end);
        if (!head.startsWith('HTTP/1.1 200')) throw new Error(head);
        const length = end + 4 + Number(/content-length: (\d+)/i.exec(head)[1]);
        if (pending.length < length) return;
        pending = pending.slice(length);
        latencies.push(performance.now() - due.shift());
      }
    });
    function send(time) {
      due.push(time);
      socket.write(request);
    }
  });
}
