import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { openNats } from '@micro/nats';
import { compileProgram, haveTool, natsTool, startNats, startProgram, temporaryFolder, until } from '@micro/testing';
import { errors } from '@nats-io/transport-node';
import { MicroError } from '@micro/errors';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Blobs } from './blobs.js';
import { Operations } from './flow.js';
import { NatsBlobs, openNatsBlobs, type NatsBlobsOptions } from './nats.js';
import { readContent, writeContent } from './nats-content.js';
import { Loose } from './nats-loose.js';
import { decodeRecord, encodeRecord } from './nats-record.js';
import { BlobStreams } from './nats-streams.js';
import { contentStream, infoSubject } from './nats-subjects.js';

const unavailable = { code: 'unavailable', id: 'store' };
const bytes = (text: string) => new TextEncoder().encode(text);
let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function open(servers: readonly string[], options: Partial<NatsBlobsOptions> = {}): Promise<Blobs> {
  const blobs = await openNatsBlobs({ servers, warn: () => undefined, ...options });
  closing.push(() => blobs.close());
  return blobs;
}

async function readAll(blobs: Blobs, key: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of (await blobs.read(key)).content) parts.push(part);
  return Buffer.concat(parts);
}

/** What the server has, whoever it belongs to. */
async function looking(servers: readonly string[]) {
  const nats = await openNats({ servers, id: 'store', warn: () => undefined });
  closing.push(() => nats.close());
  const manager = await jetstreamManager(nats.connection);
  const subjects = async (name: string) =>
    Object.keys((await manager.streams.info(name, { subjects_filter: '>' })).state.subjects ?? {});
  return {
    nats,
    manager,
    /** Writings of which there is content. */
    contents: () => subjects('MICRO_BLOB_CONTENT'),
    notes: async () => (await subjects('MICRO_BLOB_NOTES')).filter((subject) => !subject.endsWith('.tick')),
  };
}

describe.skipIf(!haveTool(natsTool))('blobs on NATS', { timeout: 90_000 }, () => {
  it('go when they are replaced or deleted, and not while they are read', async () => {
    await using server = await startNats();
    const blobs = await open(server.addresses, { grace: 400 });
    const { contents, notes, manager } = await looking(server.addresses);
    const content = randomBytes(6_000_000);
    await blobs.write('read', [content]);
    await blobs.write('unread', [content]);
    const reading = (await blobs.read('read')).content[Symbol.asyncIterator]();
    const parts = [((await reading.next()) as { value: Uint8Array }).value];
    await blobs.write('read', [bytes('other')]);
    await blobs.delete('unread');
    await until('what nobody reads is gone', async () => (await contents()).length === 1, 30_000);
    for (let next = await reading.next(); !next.done; next = await reading.next()) parts.push(next.value);
    expect(Buffer.concat(parts).equals(content)).toBe(true);
    await until('all is gone', async () => (await contents()).length === 0 && (await notes()).length === 0, 30_000);
    const left = async () => (await manager.streams.info('MICRO_BLOB_CONTENT')).state.consumer_count;
    await until('and what looked for it', async () => (await left()) === 0);
    expect((await readAll(blobs, 'read')).toString()).toBe('other');
  });

  it('go also where one has been damaged whose content was to go', async () => {
    await using server = await startNats();
    const blobs = await open(server.addresses, { grace: 400 });
    const { nats, contents } = await looking(server.addresses);
    const keys = Array.from({ length: 10 }, (_, index) => `${index}`);
    for (const key of ['damaged', ...keys]) await blobs.write(key, [randomBytes(100_000)]);
    await blobs.write('damaged', [bytes('other')]);
    nats.connection.publish(infoSubject({ database: 'micro', table: 'micro' }, 'damaged'), bytes('no blob'));
    await nats.flush();
    await Promise.all(keys.map((key) => blobs.delete(key)));
    await until('all is gone', async () => (await contents()).length === 0, 30_000);
    await expect(blobs.info('damaged')).rejects.toMatchObject({ code: 'data_loss' });
    await blobs.write('damaged', [bytes('again')]);
    expect((await readAll(blobs, 'damaged')).toString()).toBe('again');
  });

  it('that are being written by a process that is killed leave nothing', async () => {
    await using server = await startNats();
    await using folder = await temporaryFolder();
    const blobs = await open(server.addresses, { grace: 1_000 });
    const { contents, notes } = await looking(server.addresses);
    await blobs.write('a', [randomBytes(1_000_000)]);
    const program = await compileProgram(new URL('nats.program.ts', import.meta.url), folder.path);
    await using writer = startProgram(program, {}, [server.addresses[0] as string, '1000']);
    await until('it writes', () => writer.output().includes('writing'), 30_000);
    expect(await contents()).toHaveLength(2);
    writer.child.kill('SIGKILL');
    await writer.exited;
    await until('what it wrote is gone', async () => (await contents()).length === 1, 30_000);
    await until('so is its note', async () => (await notes()).length === 0, 30_000);
    expect((await blobs.info('a')).size).toBe(1_000_000);
  });

  it('that are being written by a process that stands still are not half there when it goes on', async () => {
    await using server = await startNats();
    await using folder = await temporaryFolder();
    const blobs = await open(server.addresses, { grace: 1_000 });
    const { contents, notes } = await looking(server.addresses);
    await blobs.write('a', [bytes('before')]);
    const program = await compileProgram(new URL('nats.program.ts', import.meta.url), folder.path);
    await using writer = startProgram(program, {}, [server.addresses[0] as string, '1000']);
    await until('it writes', () => writer.output().includes('writing'), 30_000);
    writer.child.kill('SIGSTOP');
    await until('what it wrote is gone', async () => (await contents()).length === 0, 30_000);
    writer.child.kill('SIGCONT');
    await until('it has heard', () => writer.output().includes('ended'), 30_000);
    expect(writer.output()).toContain('unavailable');
    await until('nothing is left', async () => (await contents()).length + (await notes()).length === 0, 30_000);
    expect((await readAll(blobs, 'a')).toString()).toBe('before');
  });

  /** Blobs whose messages to the server a test lets through, or not. */
  async function intercepted(servers: readonly string[], grace: number) {
    const nats = await openNats({ servers, id: 'store', warn: () => undefined });
    const streams = await BlobStreams.open(nats, 1);
    const blobs = new NatsBlobs(nats, streams, grace);
    closing.push(() => blobs.close());
    const publish = streams.publish.bind(streams);
    return { nats, blobs, publish, publishing: vi.spyOn(streams, 'publish') };
  }

  it('whose writer stands still before it puts one in place are not said to be there', async () => {
    await using server = await startNats();
    const { contents, notes } = await looking(server.addresses);
    const { blobs, publish, publishing } = await intercepted(server.addresses, 500);
    const subject = infoSubject({ database: 'micro', table: 'micro' }, 'a');
    let goOn = () => {};
    const still = new Promise<void>((resolve) => (goOn = resolve));
    let isStill = false;
    publishing.mockImplementation(async (to, ...message) => {
      isStill ||= to === subject;
      if (to === subject) await still;
      return publish(to, ...message);
    });
    const writing = blobs.write('a', [randomBytes(100_000)]);
    const refused = expect(writing).rejects.toMatchObject(unavailable);
    await until('it stands still', () => isStill);
    await until('what it wrote is gone', async () => (await contents()).length === 0, 30_000);
    goOn();
    await refused;
    await expect(blobs.info('a')).rejects.toMatchObject({ code: 'not_found' });
    await until('so is its note', async () => (await notes()).length === 0, 30_000);
  });

  it('leave nothing behind where a chunk comes that was given up on', async () => {
    await using server = await startNats();
    const { contents, notes } = await looking(server.addresses);
    const { blobs, publish, publishing } = await intercepted(server.addresses, 500);
    const late: (() => Promise<number>)[] = [];
    publishing.mockImplementation(async (to, ...message) => {
      if (!to.startsWith(contentStream.subject)) return publish(to, ...message);
      late.push(() => publish(to, ...message));
      throw new MicroError('unavailable', 'no answer', { id: 'store' });
    });
    await expect(blobs.write('a', [randomBytes(1_000_000)])).rejects.toMatchObject(unavailable);
    expect(late.length).toBeGreaterThan(0);
    for (const send of late) await send();
    await until('all is gone', async () => (await contents()).length + (await notes()).length === 0, 30_000);
  });

  it('are whole that a server kept before it answered that it is full', async () => {
    await using server = await startNats();
    const { nats, blobs } = await intercepted(server.addresses, 60_000);
    const subject = infoSubject({ database: 'micro', table: 'micro' }, 'a');
    const content = randomBytes(100_000);
    const request = nats.connection.request.bind(nats.connection);
    let attempts = 0;
    vi.spyOn(nats.connection, 'request').mockImplementation(async (to, ...message) => {
      const answer = await request(to, ...message);
      if (to !== subject) return answer;
      if (++attempts === 1) throw new errors.TimeoutError();
      const error = { code: 503, err_code: 10_023, description: 'insufficient resources' };
      return { data: bytes(JSON.stringify({ error })) } as typeof answer;
    });
    await expect(blobs.write('a', [content])).rejects.toMatchObject(unavailable);
    expect(attempts).toBe(2);
    expect((await readAll(blobs, 'a')).equals(content)).toBe(true);
  });

  it('of a store that is full are refused, and written again when there is room', async () => {
    await using server = await startNats({ jetstream: 'max_file_store: 8MB' });
    const blobs = await open(server.addresses, { grace: 1_500 });
    const { contents } = await looking(server.addresses);
    await blobs.write('small', [bytes('before')]);
    await blobs.write('large', [randomBytes(5_000_000)]);
    const full = { code: 'resource_exhausted', id: 'store', detail: expect.stringContaining('full') };
    const pieces = Array.from({ length: 20 }, () => randomBytes(1_000_000));
    await expect(blobs.write('small', pieces)).rejects.toMatchObject(full);
    expect((await readAll(blobs, 'small')).toString()).toBe('before');
    expect(await contents()).toHaveLength(1);
    await blobs.delete('large');
    await until('there is room', async () => (await contents()).length === 0, 30_000);
    await blobs.write('large', [randomBytes(5_000_000)]);
  });

  it.each(['stop', 'kill'] as const)(
    'are there after %s and start of the server, and refused meanwhile',
    async (end) => {
      await using server = await startNats();
      const [member] = server.members as [(typeof server.members)[0]];
      const blobs = await open(server.addresses);
      const content = randomBytes(3_000_000);
      await blobs.write('small', [bytes('small')]);
      await blobs.write('large', [content]);
      const { content: broken } = await blobs.read('large');
      await member[end]();
      const refusal = { ...unavailable, detail: expect.stringContaining(server.addresses[0] as string) };
      await expect(blobs.info('small')).rejects.toMatchObject(refusal);
      await expect(blobs.write('other', [content])).rejects.toMatchObject(refusal);
      await expect(blobs.list()).rejects.toMatchObject(refusal);
      await expect(blobs.delete('small')).rejects.toMatchObject(refusal);
      const reading = (async () => {
        for await (const _ of broken);
      })();
      await expect(reading).rejects.toMatchObject(unavailable);
      await member.start();
      await until('it is back', async () => (await readAll(blobs, 'large')).equals(content), 30_000);
      expect((await blobs.list()).blobs.map(({ key }) => key)).toEqual(['large', 'small']);
      await blobs.write('other', [content]);
    },
  );

  it('can be written again to a server that has lost its data', async () => {
    await using server = await startNats();
    const [member] = server.members as [(typeof server.members)[0]];
    const blobs = await open(server.addresses);
    await blobs.write('a', [bytes('before')]);
    await member.stop();
    await rm(server.folders[0] as string, { recursive: true });
    await member.start();
    await until('it is back', () => blobs.list().then(() => true), 30_000);
    await expect(blobs.info('a')).rejects.toMatchObject({ code: 'not_found' });
    await blobs.write('a', [randomBytes(1_000_000)]);
    expect((await readAll(blobs, 'a')).length).toBe(1_000_000);
  });

  it('are written and read on while one member of three is killed, and none that was acknowledged is lost', async () => {
    await using cluster = await startNats({ members: 3 });
    const writers = await Promise.all(
      cluster.addresses.map((one) => open([one, ...cluster.addresses], { replicas: 3 })),
    );
    const written = new Map<string, string>();
    let stopped = false;
    const write = async (blobs: Blobs, at: number) => {
      for (let index = 0; !stopped; index++) {
        const content = randomBytes(index % 2 === 0 ? 1_000 : 400_000);
        const key = `${at}/${index}`;
        await blobs.write(key, [content]).then(
          ({ sha256 }) => written.set(key, sha256),
          () => undefined,
        );
      }
    };
    const writing = writers.map(write);
    await until('it goes on', () => written.size > 30, 30_000);
    await cluster.members[0]?.kill();
    const before = written.size;
    await until('it goes on again', () => written.size > before + 60, 60_000);
    stopped = true;
    await Promise.all(writing);
    await cluster.members[0]?.start();
    for (const [key, sha256] of written) {
      const content = await readAll(writers[1] as Blobs, key);
      expect(createHash('sha256').update(content).digest('hex'), key).toBe(sha256);
    }
  });

  it('never have content of another, though a power cut has given the numbers of its chunks to that', async () => {
    await using server = await startNats();
    const blobs = await open(server.addresses);
    await blobs.write('a', [randomBytes(1_000_000)]);
    const { manager } = await looking(server.addresses);
    await manager.streams.delete('MICRO_BLOB_CONTENT');
    await blobs.write('b', [randomBytes(1_000_000)]);
    const range = (async () => {
      for await (const _ of (await blobs.read('a', { offset: 300_000, length: 10 })).content);
    })();
    await expect(range).rejects.toMatchObject({ code: 'data_loss', detail: expect.stringContaining('"a"') });
    expect((await readAll(blobs, 'b')).length).toBe(1_000_000);
  });

  it.each([100, 1_000_000])('are not given whole where %d bytes are not those that were written', async (length) => {
    await using server = await startNats();
    const blobs = await open(server.addresses);
    await blobs.write('a', [randomBytes(length)]);
    const { manager, nats } = await looking(server.addresses);
    const subject = infoSubject({ database: 'micro', table: 'micro' }, 'a');
    const message = await manager.streams.getMessage('MICRO_BLOBS', { last_by_subj: subject });
    const record = decodeRecord(message?.data ?? new Uint8Array(), subject);
    const info = { ...record.info, sha256: createHash('sha256').digest('hex') };
    nats.connection.publish(subject, encodeRecord({ ...record, info }));
    await nats.flush();
    let read = 0;
    const reading = (async () => {
      for await (const piece of (await blobs.read('a')).content) read += piece.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'data_loss', detail: expect.stringContaining('"a"') });
    expect(read).toBeLessThan(length);
  });

  it('say which part of one is missing', async () => {
    await using server = await startNats();
    const blobs = await open(server.addresses);
    await blobs.write('a', [randomBytes(1_000_000)]);
    const { manager } = await looking(server.addresses);
    await manager.streams.deleteMessage('MICRO_BLOB_CONTENT', 2);
    await expect(readAll(blobs, 'a')).rejects.toMatchObject({
      code: 'data_loss',
      detail: expect.stringContaining('"a"'),
    });
    await blobs.write('a', [bytes('again')]);
    expect((await readAll(blobs, 'a')).toString()).toBe('again');
  });

  it('are refused, with what to do, by a server without JetStream for them, or with too few members', async () => {
    await using server = await startNats({
      config: 'accounts { A { users: [ { user: u, password: p } ] } }\nno_auth_user: u',
    });
    await expect(open(server.addresses)).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('is it enabled'),
    });
    await using alone = await startNats();
    await expect(open(alone.addresses, { replicas: 3 })).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('MICRO_NATS_REPLICAS'),
    });
    await using small = await startNats({ config: 'max_payload: 65536' });
    await expect(open(small.addresses)).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('max_payload'),
    });
  });

  it('need no more rights than the docs say', async () => {
    const rights = '["micro.blob.>", "$JS.API.>", "_INBOX.>"]';
    const user = `{ user: u, password: p, permissions: { publish: ${rights}, subscribe: ${rights} } }`;
    await using server = await startNats({ config: `authorization { users: [ ${user} ] }\nno_auth_user: u` });
    const warnings: string[] = [];
    const blobs = await open(server.addresses, { grace: 200, warn: (text) => warnings.push(text) });
    await blobs.write('a', [randomBytes(1_000_000)]);
    expect((await readAll(blobs, 'a')).length).toBe(1_000_000);
    await blobs.delete('a');
    await blobs.list();
    expect(warnings).toEqual([]);
  });

  it('whose list of chunks is long have it beside them', async () => {
    await using server = await startNats();
    const { nats } = await looking(server.addresses);
    const streams = await BlobStreams.open(nats, 1);
    const loose = new Loose(streams, 60_000);
    closing.push(() => loose.close());
    // Two at once, so that no chunk is behind another of the same content.
    const contents = [randomBytes(30_000), randomBytes(30_000)];
    const operation = new Operations().begin(undefined);
    const written = await Promise.all(
      contents.map((content) =>
        writeContent(
          { streams, loose, subject: 'x', content: [content], operation },
          { chunkBytes: 100, longestList: 500 },
        ),
      ),
    );
    for (const [at, { content, size }] of written.entries()) {
      expect(content?.isList).toBe(true);
      const range = { offset: 150, end: 29_950, signal: operation.signal };
      const parts: Uint8Array[] = [];
      if (content) for await (const part of readContent(streams, { content, size }, range)) parts.push(part);
      expect(Buffer.concat(parts).equals((contents[at] as Buffer).subarray(150, 29_950))).toBe(true);
    }
    operation.end();
  });
});
