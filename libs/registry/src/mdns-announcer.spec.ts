import { expect, it } from 'vitest';
import { encodeContent } from './content.js';
import { Announcer } from './mdns-announcer.js';
import { type Announcement, labelOf, packBlob, serviceType } from './mdns-records.js';
import { MulticastSocket, type Received } from './mdns-socket.js';
import { freeUdpPort } from './outside-process.js';

const soon = { timeout: 10_000, interval: 5 };
const service = packBlob(encodeContent({ name: 'a', version: '1', metadata: {}, endpoints: [], nodes: [] }).bytes);
const place = { namespace: 'micro', name: 'a', version: '1' };
const announcement = (id: string, address = '127.0.0.1:1'): Announcement => ({
  ...place,
  node: { id, address, metadata: {} },
  service,
  since: 1,
  ttl: 30_000,
});

it('an answer that is about to be given says nothing of who is gone meanwhile, nor what was so before', async () => {
  const port = await freeUdpPort();
  const heard: Received['records'][number][] = [];
  const failures: Error[] = [];
  const socket = await MulticastSocket.listen({
    interface: '127.0.0.1',
    port,
    receive: ({ type, records }) => void (type === 'response' && heard.push(...records)),
    failed: (error) => failures.push(error),
    wantsResponses: () => true,
  });
  const announcer = new Announcer(socket, 'me');
  try {
    await announcer.announce(['gone', 'moved', 'stays'].map((id) => announcement(id)));
    const nameOf = (id: string) => `${labelOf({ ...place, id })}.${serviceType}`;
    const questions = ['gone', 'moved', 'stays'].map((id) => ({ name: nameOf(id), type: 'SRV' }));
    const from = { address: '127.0.0.1', port, family: 'IPv4' as const, size: 0 };
    announcer.answer({
      type: 'query',
      id: 0,
      questions: [{ name: serviceType, type: 'PTR' }, ...questions],
      records: [],
      from,
    });
    await announcer.withdraw([{ ...place, id: 'gone' }]);
    await announcer.announce([announcement('moved', '127.0.0.1:2')]);
    const before = () => heard.findIndex(({ type, ttl }) => type === 'TXT' && ttl === 0);
    const after = () => heard.slice(before() + 1);
    await expect.poll(() => before() >= 0 && after().some(({ name }) => name === nameOf('stays')), soon).toBe(true);
    const said = after().filter(({ type, ttl }) => type === 'SRV' && ttl > 0);
    expect(said.filter(({ name }) => name === nameOf('gone'))).toEqual([]);
    const ports = said
      .filter(({ name }) => name === nameOf('moved'))
      .map(({ data }) => (data as { port: number }).port);
    expect(new Set(ports)).toEqual(new Set([2]));
    expect(after().filter(({ type, data, ttl }) => type === 'PTR' && data === nameOf('gone') && ttl > 0)).toEqual([]);
    expect(failures).toEqual([]);
  } finally {
    await announcer.close({ withdraw: false });
    await socket.close();
  }
});
