/** P1, P2, P3, P3a: JSON through a gateway to a service, beside what users have today. */
import { wrk } from '../load.mjs';
import { post, startHelloworld, startPlatform } from '../platform.mjs';
import { freePorts, start, stopAll, until } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

const peer = (name) => new URL(`../peers/${name}.mjs`, import.meta.url).pathname;

export async function gateway({ count, seconds, progress }) {
  const platform = await startPlatform();
  const service = await startHelloworld(platform);
  const [bareService, bare, grpcService, fastify, nestService, nest, moleculerService, moleculerTcp, moleculer] =
    await freePorts(9);
  const peers = [
    start(peer('bare-service'), [bareService]),
    start(peer('bare-proxy'), [bare, bareService]),
    start(peer('grpc-service'), [grpcService]),
    start(peer('fastify-gateway'), [fastify, grpcService]),
    start(peer('nest-service'), [nestService]),
    start(peer('nest-gateway'), [nest, nestService]),
    start(peer('moleculer-service'), [moleculerService, moleculerTcp]),
    start(peer('moleculer-gateway'), [moleculer, moleculerTcp, moleculerService]),
  ];
  try {
    const sides = {
      micro: `http://${platform.address.api}/helloworld/call`,
      'Nest + Fastify + ClientGrpc': `http://127.0.0.1:${nest}/helloworld/call`,
      'Fastify + grpc-js': `http://127.0.0.1:${fastify}/helloworld/call`,
      'bare node:http hop': `http://127.0.0.1:${bare}/helloworld/call`,
      Moleculer: `http://127.0.0.1:${moleculer}/helloworld/call`,
    };
    for (const [name, url] of Object.entries(sides)) {
      await until(`${name} answers`, async () => (await (await post(url)).json()).msg === 'Hello Alice');
      await wrk(url, '{"name":"Alice"}', { seconds: 2 });
    }
    const result = await rounds(sides, {
      count,
      progress,
      measure: (url) => wrk(url, '{"name":"Alice"}', { seconds }),
    });
    const { micro } = result;
    return [
      against('P1', 'Nest + Fastify + ClientGrpc', { rate: 3, p99: 0.5 }),
      against('P2', 'Fastify + grpc-js', { rate: 3 }),
      against('P3', 'bare node:http hop', { rate: 0.7 }),
      against('P3a', 'Moleculer', { rate: 1.25, p99: 1 }),
    ];

    function against(id, name, bar) {
      const other = result[name];
      const ratio = micro.rate / other.rate;
      const p99 = micro.p99 / other.p99;
      return {
        id,
        what: 'gateway, JSON, 32 connections',
        ours: `${Math.round(micro.rate)} req/s, p99 ${micro.p99.toFixed(1)} ms`,
        peer: `${name}: ${Math.round(other.rate)} req/s, p99 ${other.p99.toFixed(1)} ms`,
        ratio: `${ratio.toFixed(2)}×${bar.p99 ? `, p99 ${p99.toFixed(2)}×` : ''}`,
        bar: `≥ ${bar.rate}×${bar.p99 ? `, p99 ≤ ${bar.p99}×` : ''}`,
        met: ratio >= bar.rate && (!bar.p99 || p99 <= bar.p99),
      };
    }
  } finally {
    await stopAll(platform, service, ...peers);
  }
}
