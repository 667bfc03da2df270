/** P4: unary gRPC through the proxy, beside a pass-through on grpc-js. */
import { h2load } from '../load.mjs';
import { startHelloworld, startPlatform } from '../platform.mjs';
import { freePorts, start, stopAll } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

const peer = (name) => new URL(`../peers/${name}.mjs`, import.meta.url).pathname;
const path = '/helloworld.Helloworld/Call';
/** CallRequest { name: "Alice" } in the wire format. */
const message = Buffer.from('\x0a\x05Alice', 'latin1');

export async function proxy({ count, seconds, progress }) {
  const platform = await startPlatform();
  const service = await startHelloworld(platform);
  const [grpcService, grpcProxy] = await freePorts(2);
  const peers = [start(peer('grpc-service'), [grpcService]), start(peer('grpc-proxy'), [grpcProxy, grpcService])];
  try {
    const sides = { micro: platform.address.proxy, 'grpc-js pass-through': `127.0.0.1:${grpcProxy}` };
    const caller = new URL('../programs/check-call.mjs', import.meta.url).href;
    const { checkCall } = await import(caller);
    for (const address of Object.values(sides)) {
      await checkCall(address);
      await h2load(address, path, message, { seconds: 2 });
    }
    const result = await rounds(sides, {
      count,
      progress,
      measure: (address) => h2load(address, path, message, { seconds }),
    });
    const ratio = result.micro.rate / result['grpc-js pass-through'].rate;
    return [
      {
        id: 'P4',
        what: 'gRPC proxy, unary, 4 × 8',
        ours: `${Math.round(result.micro.rate)} req/s`,
        peer: `grpc-js pass-through: ${Math.round(result['grpc-js pass-through'].rate)} req/s`,
        ratio: `${ratio.toFixed(2)}×`,
        bar: '≥ 3×',
        met: ratio >= 3,
      },
    ];
  } finally {
    await stopAll(platform, service, ...peers);
  }
}
