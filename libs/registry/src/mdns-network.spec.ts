import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { haveTool, temporaryFolder } from '@micro/testing';
import mdns from 'multicast-dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeContent } from './content.js';
import { openMdns } from './mdns.js';
import { blobRecord, type DnsRecord, goodbyeOf, labelIn, labelOf, packBlob, recordsOf } from './mdns-records.js';
import { freeUdpPort, outsideProcess } from './outside-process.js';
import type { Node, Registry, Service } from './registry.js';

const soon = { timeout: 10_000, interval: 20 };
const service: Service = {
  name: 'helloworld',
  version: 'latest',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'helloworld-1', address: '127.0.0.1:4321', metadata: { protocol: 'connect,grpc', zone: 'a' } }],
};

describe('mDNS on the wire', () => {
  let port: number;
  let registry: Registry;
  const close: (() => unknown)[] = [];

  beforeEach(async () => {
    port = await freeUdpPort();
    registry = await openMdns({ port, fallbackFile: '/nonexistent/registry.json' });
    close.push(() => registry.close());
  });
  afterEach(async () => {
    for (const one of close.splice(0).reverse()) await one();
  });

  /** A socket of somebody else's in the same group. */
  const stranger = async () => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setMulticastInterface('127.0.0.1');
    close.push(() => socket.close());
    return (packet: Buffer) => new Promise((resolve) => socket.send(packet, port, '224.0.0.251', resolve));
  };
  const records = async () => {
    const other = mdns({ port, interface: '127.0.0.1', bind: '0.0.0.0' });
    close.push(() => new Promise<void>((resolve) => other.destroy(resolve)));
    const seen: Record<string, unknown>[] = [];
    other.on('response', (packet) =>
      seen.push(...([...packet.answers, ...packet.additionals] as unknown as Record<string, unknown>[])),
    );
    await new Promise<void>((resolve) => other.once('ready', resolve));
    return { seen, other };
  };

  it('survives packets that are none', async () => {
    const send = await stranger();
    const { other } = await records();
    const real: Buffer[] = [];
    const tap = createSocket({ type: 'udp4', reuseAddr: true });
    tap.bind(port, '0.0.0.0');
    await once(tap, 'listening');
    tap.addMembership('224.0.0.251', '127.0.0.1');
    tap.on('message', (message) => real.push(message));
    close.push(() => tap.close());
    await registry.list();
    await registry.register(service);
    await expect.poll(() => real.length, soon).toBeGreaterThan(1);
    for (let times = 0; times < 400; times++) {
      const packet = Buffer.from(real[times % real.length] ?? '');
      for (let flips = 0; flips <= times % 7; flips++)
        packet[Math.floor(Math.random() * packet.length)] = Math.floor(Math.random() * 256);
      await send(packet.subarray(0, times % 5 === 0 ? Math.floor(Math.random() * packet.length) : packet.length));
      await send(Buffer.concat([randomBytes(12), Buffer.from('micro'), randomBytes(times)]));
    }
    other.respond([{ name: 'printer._ipp._tcp.local', type: 'TXT', ttl: 100, data: ['micro=no'] }]);
    other.respond([{ name: 'x._micro._tcp.local', type: 'TXT', ttl: 100, data: ['txtvers=2', 'name=x'] }]);
    await registry.register({ ...service, name: 'after' });
    const names = async () => (await registry.list()).map(({ name }) => name);
    await expect.poll(names, soon).toContain('after');
    expect((await names()).filter((name) => name !== 'helloworld')).toEqual(['after']);
  });

  it('is what other DNS software reads', async () => {
    if (!haveTool({ name: 'dig', apt: 'dnsutils' })) return;
    await registry.register(service);
    const dig = async (name: string, type: string) => {
      const { stdout } = await promisify(execFile)('dig', [
        '@127.0.0.1',
        '-p',
        String(port),
        name,
        type,
        '+short',
        '+timeout=3',
        '+tries=2',
      ]);
      return stdout.trim();
    };
    expect(await dig('_services._dns-sd._udp.local', 'PTR')).toBe('_micro._tcp.local.');
    const instance = await dig('_micro._tcp.local', 'PTR');
    expect(instance).toMatch(/^helloworld-[0-9a-f]{12}\._micro\._tcp\.local\.$/);
    expect(await dig('_micro._sub._micro._tcp.local', 'PTR')).toBe(instance);
    expect(await dig(instance, 'SRV')).toBe('0 0 4321 micro-127-0-0-1.local.');
    expect(await dig('micro-127-0-0-1.local', 'A')).toBe('127.0.0.1');
    const text = await dig(instance, 'TXT');
    for (const pair of [
      'txtvers=1',
      'name=helloworld',
      'version=latest',
      'namespace=micro',
      'protocol=connect,grpc',
      'zone=a',
    ]) {
      expect(text).toContain(`"${pair}"`);
    }
  });

  it('marks what is unique, and says goodbye', async () => {
    const { seen } = await records();
    await registry.register(service);
    await expect
      .poll(() => seen.map(({ type, flush }) => `${type} ${flush}`), soon)
      .toEqual(expect.arrayContaining(['PTR false', 'SRV true', 'TXT true', 'A true']));
    await registry.close();
    await expect
      .poll(() => seen.filter(({ ttl }) => ttl === 0).map(({ type }) => type), soon)
      .toEqual(expect.arrayContaining(['PTR', 'SRV', 'TXT']));
  });

  it('does not answer who knows the answer', async () => {
    const { seen, other } = await records();
    await registry.register(service);
    // Both announcements, so that what comes later is an answer.
    await expect.poll(() => seen.filter(({ type }) => type === 'SRV').length, soon).toBe(2);
    const pointer = seen.find(({ type }) => type === 'PTR') as { data: string };
    const question = { name: '_micro._tcp.local', type: 'PTR' } as const;
    other.query({ questions: [question], answers: [{ ...question, ttl: 30, data: pointer.data }] });
    other.query([{ name: pointer.data, type: 'SRV' }]);
    await expect.poll(() => seen.filter(({ type }) => type === 'SRV').length, soon).toBe(3);
    expect(seen.filter(({ type }) => type === 'PTR')).toHaveLength(2);
    other.query([question]);
    await expect.poll(() => seen.filter(({ type }) => type === 'PTR').length, soon).toBe(3);
  });

  it('tells pointers alone to who asks for them alone', async () => {
    const { seen, other } = await records();
    await registry.register(service);
    await expect.poll(() => seen.filter(({ type }) => type === 'SRV').length, soon).toBe(2);
    const before = seen.length;
    // Again and again: what everybody has just heard is not repeated at once.
    const ask = () => {
      other.query([{ name: '_pointers._micro._tcp.local', type: 'PTR' }]);
      return seen.slice(before);
    };
    await expect.poll(ask, soon).toMatchObject([{ name: '_micro._tcp.local', type: 'PTR' }]);
  });

  it('asks nodes of which it has heard nothing but the name, until they answer', async () => {
    const { other } = await records();
    await registry.list();
    const blob = packBlob(encodeContent(service).bytes);
    const announced = {
      ...service,
      namespace: 'micro',
      node: service.nodes[0] as Node,
      service: blob,
      since: 1,
      ttl: 30_000,
    };
    const { pointer, text } = recordsOf(announced);
    const chunk = blobRecord(blob, 0, labelIn(text.name) ?? '', 30_000) as DnsRecord;
    let asked = 0;
    other.on('query', ({ questions }, { port: from }) => {
      for (const { name } of questions) {
        const answer = [text, chunk].find((record) => record.name === name);
        // The first question is lost.
        if (answer && asked++ > 0)
          other.respond({ answers: [answer] as never }, { address: '127.0.0.1', port: from } as never);
      }
    });
    other.respond([pointer as never]);
    await expect.poll(() => registry.list(), soon).toEqual([{ ...service, schema: undefined }]);
  });

  it('does not bring back by what arrives late who has said goodbye', async () => {
    const { other } = await records();
    await registry.list();
    const blob = packBlob(encodeContent(service).bytes);
    const tell = (name: string, since: number) => {
      const node = { ...(service.nodes[0] as Node), id: name };
      const { text } = recordsOf({ ...service, name, namespace: 'micro', node, service: blob, since, ttl: 30_000 });
      const label = labelIn(text.name) ?? '';
      other.respond([text, blobRecord(blob, 0, label, 30_000)] as never);
      return label;
    };
    const names = async () => (await registry.list()).map(({ name }) => name);
    const label = tell('back', 1);
    await expect.poll(names, soon).toEqual(['back']);
    for (const name of ['back', 'never']) {
      const gone = name === 'back' ? label : labelOf({ namespace: 'micro', name, version: 'latest', id: name });
      other.respond(goodbyeOf(gone, 'other', 1) as never);
      tell(name, 1);
    }
    tell('next', 1);
    await expect.poll(names, soon).toContain('next');
    expect(await names()).toEqual(['next']);
    tell('back', 2);
    await expect.poll(names, soon).toEqual(['back', 'next']);
  });

  it('shows a late process all that others run', async () => {
    const config = { adapter: 'mdns', port, fallbackFile: '/nonexistent/registry.json' } as const;
    const processes = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        outsideProcess(config, {
          service: { ...service, name: `p${index}` },
          ttl: index === 0 ? 3_000 : 30_000,
          renew: true,
          copies: 25,
        }),
      ),
    );
    try {
      const late = await openMdns(config);
      close.push(() => late.close());
      await expect.poll(async () => (await late.list()).length, soon).toBe(100);
      const [killed, stopped] = processes;
      // Long before its time to live ends.
      await stopped?.stop();
      await expect.poll(async () => (await late.list()).length, soon).toBe(75);
      await killed?.kill();
      await expect.poll(async () => (await late.list()).length, soon).toBe(50);
    } finally {
      await Promise.all(processes.map((one) => one.kill()));
    }
  });

  it('gives way to a shared file where multicast does not work, and says so once', async () => {
    await using folder = await temporaryFolder();
    const said: string[] = [];
    const options = {
      interface: '203.0.113.1',
      fallbackFile: `${folder.path}/registry.json`,
      warn: (message: string) => void said.push(message),
    };
    const [one, other] = [await openMdns(options), await openMdns({ ...options, warn: () => undefined })];
    close.push(() => Promise.all([one.close(), other.close()]));
    await one.register(service);
    await expect.poll(() => other.list(), soon).toEqual([{ ...service, schema: undefined }]);
    expect(said).toEqual([expect.stringContaining('multicast does not work on 203.0.113.1')]);
    await Promise.all([one.close(), other.close()]);
  });
});
