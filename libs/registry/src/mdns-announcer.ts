import type { PlacementKey } from './catalog.js';
import { sameTexts } from './content.js';
import {
  type Announcement,
  type Blob,
  blobRecord,
  type DnsRecord,
  goodbyeOf,
  labelIn,
  labelOf,
  type NodeRecords,
  parseBlobName,
  pointersOnly,
  type Question,
  recordsOf,
  serviceType,
  serviceTypes,
  subtypeOf,
} from './mdns-records.js';
import type { MulticastSocket, Received, Unit } from './mdns-socket.js';

interface Own {
  readonly label: string;
  readonly announcement: Announcement;
  readonly records: NodeRecords;
}

/** That there is this type of service. */
const typeRecord: DnsRecord = { name: serviceTypes, type: 'PTR', ttl: 4_500, flush: false, data: serviceType };
/** Blobs up to so many chunks are sent along with the first announcement; of larger ones everyone asks for what they need. */
const chunksUnasked = 4;
/** Milliseconds after which a new node is announced again, in case the first packet was lost (RFC 6762, section 8.3). */
const secondAnnouncement = 1_000;
/** Milliseconds in which the same record is not multicast twice because somebody asked (RFC 6762, section 6). */
const oncePer = 1_000;

/** Speaks for the nodes that this process registered: announces, renews, answers and says goodbye. */
export class Announcer {
  readonly #socket: MulticastSocket;
  /** Tells our goodbyes from those of others. */
  readonly #by: string;
  readonly #own = new Map<string, Own>();
  /** To be repeated with the next renewal. */
  readonly #renewals = new Map<string, 'whole' | 'text'>();
  #renewing: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined;
  readonly #replies = new Set<DnsRecord>();
  #replying: NodeJS.Timeout | undefined;
  readonly #answered = new WeakMap<DnsRecord, number>();

  constructor(socket: MulticastSocket, by: string) {
    this.#socket = socket;
    this.#by = by;
  }

  has(label: string): boolean {
    return this.#own.has(label);
  }

  /** The packed description of a node's service, if it is the same as before. */
  blob(key: PlacementKey, hash: string): Blob | undefined {
    return this.#own.get(labelOf(key))?.records.blobs.get(hash);
  }

  /** Tells everyone of nodes that are new or changed; those that are neither are renewed with the next packet of renewals. */
  async announce(announcements: readonly Announcement[]): Promise<void> {
    const units: Unit[] = [];
    const sent = new Set<string>();
    for (const announcement of announcements) {
      const { namespace, name, version, node, ttl } = announcement;
      const label = labelOf({ namespace, name, version, id: node.id });
      const before = this.#own.get(label);
      if (before && isRenewal(before.announcement, announcement)) {
        this.#renewIn(label, 'text', untilBeat(ttl / 10));
        continue;
      }
      const records = recordsOf(announcement);
      this.#unsay(label);
      this.#own.set(label, { label, announcement, records });
      units.push(wholeUnit(records));
      for (const blob of records.blobs.values()) {
        if (sent.has(blob.hash) || blob.chunks.length > chunksUnasked || before?.records.blobs.has(blob.hash)) continue;
        sent.add(blob.hash);
        for (const chunk of blob.chunks.keys()) units.push({ answers: present(blobRecord(blob, chunk, label, ttl)) });
      }
      this.#renewIn(label, 'whole', secondAnnouncement);
    }
    if (units.length > 0) await this.#socket.announce(units);
  }

  /** Says that nodes are gone, also those that others announced. */
  async withdraw(keys: readonly PlacementKey[]): Promise<void> {
    const units = keys.map((key) => {
      const label = labelOf(key);
      const own = this.#own.get(label);
      this.forget(label);
      const location = own?.records.location;
      return {
        answers: [
          ...goodbyeOf(label, this.#by, own?.announcement.since),
          ...(location ? [{ ...location, ttl: 0 }] : []),
        ],
      };
    });
    if (units.length > 0) await this.#socket.announce(units);
  }

  /** Stops speaking for a node, in silence: somebody else has said that it is gone. Its key, if it was ours. */
  forget(label: string): PlacementKey | undefined {
    const own = this.#own.get(label);
    this.#own.delete(label);
    this.#renewals.delete(label);
    this.#unsay(label);
    return own && keyOf(own);
  }

  /** Answers what it is asked and knows, unless the asker knows it too. */
  answer(query: Received): void {
    const units = this.#answers(query);
    if (query.from.port === this.#socket.port) this.#replyToAll([...units]);
    else void this.#socket.reply(units, query);
  }

  async close(options: { readonly withdraw: boolean }): Promise<void> {
    clearTimeout(this.#renewing?.timer);
    clearTimeout(this.#replying);
    if (options.withdraw) await this.withdraw([...this.#own.values()].map(keyOf));
    this.#own.clear();
  }

  /** An answer that waits for others to ask must not bring back what was so when it was asked for. */
  #unsay(label: string): void {
    const name = `${label}.${serviceType}`;
    for (const record of this.#replies) if (record.name === name || record.data === name) this.#replies.delete(record);
  }

  #renewIn(label: string, what: 'whole' | 'text', milliseconds: number): void {
    if (this.#renewals.get(label) !== 'whole') this.#renewals.set(label, what);
    const at = performance.now() + milliseconds;
    if (this.#renewing && this.#renewing.at <= at) return;
    clearTimeout(this.#renewing?.timer);
    const timer = setTimeout(() => this.#renew(), milliseconds);
    timer.unref();
    this.#renewing = { timer, at };
  }

  #renew(): void {
    this.#renewing = undefined;
    const units: Unit[] = [];
    for (const [label, what] of this.#renewals) {
      const records = this.#own.get(label)?.records;
      if (records) units.push(what === 'whole' ? wholeUnit(records) : { answers: [records.text] });
    }
    this.#renewals.clear();
    void this.#socket.announce(units);
  }

  /** Made one by one, while they are sent: what has gone by then is not told any more. */
  *#answers({ questions, records }: Received): Iterable<Unit> {
    for (const question of questions) {
      const { name, type } = question;
      const asks = (...types: readonly string[]) => type === 'ANY' || types.includes(type);
      if (name === serviceTypes && asks('PTR') && this.#own.size > 0) yield { question, answers: [typeRecord] };
      else if (name === serviceType && asks('PTR')) yield* this.#pointers(question, records);
      else if (name.endsWith(`._sub.${serviceType}`) && asks('PTR')) yield* this.#pointers(question, records);
      else if (name === pointersOnly && asks('PTR'))
        for (const { records } of this.#own.values()) yield { question, answers: [records.pointer] };
      else if (asks('SRV', 'TXT', 'A', 'AAAA')) yield* this.#details(question);
    }
  }

  *#pointers(question: Question, known: readonly DnsRecord[]): Iterable<Unit> {
    const { name } = question;
    const lasting = new Map(
      known.flatMap((record) => (isPointer(record, name) ? [[record.data.toLowerCase(), record.ttl]] : [])),
    );
    for (const { announcement, records } of this.#own.values()) {
      const { pointer, location, text, host } = records;
      if (name !== serviceType && name !== subtypeOf(announcement.namespace)) continue;
      // A known answer spares us ours if it is good for at least half of the time that ours would be (RFC 6762, section 7.1).
      if ((lasting.get(pointer.data) ?? 0) >= pointer.ttl / 2) continue;
      yield { question, answers: [{ ...pointer, name }], additionals: present(location, text, host) };
    }
  }

  *#details(question: Question): Iterable<Unit> {
    const { name, type } = question;
    const blob = parseBlobName(name);
    const label = labelIn(name);
    const own = this.#own.get(blob?.label ?? label ?? '');
    let answers: readonly DnsRecord[];
    if (blob) {
      const found = own?.records.blobs.get(blob.hash);
      answers = found && own ? present(blobRecord(found, blob.chunk, blob.label, own.announcement.ttl)) : [];
    } else {
      answers = own ? present(own.records.location, own.records.text) : this.#hostRecords(name);
    }
    answers = answers.filter((answer) => type === 'ANY' || answer.type === type);
    if (answers.length > 0) yield { question, answers, additionals: blob ? [] : present(own?.records.host) };
  }

  #hostRecords(name: string): readonly DnsRecord[] {
    for (const { records } of this.#own.values()) if (records.host?.name === name) return [records.host];
    return [];
  }

  /** Waits a little for others to ask the same, so that they get one answer (RFC 6762, section 6). */
  #replyToAll(units: readonly Unit[]): void {
    const now = performance.now();
    for (const record of units.flatMap(({ answers, additionals = [] }) => [...answers, ...additionals])) {
      if (now - (this.#answered.get(record) ?? -Infinity) >= oncePer) this.#replies.add(record);
    }
    if (this.#replies.size === 0) return;
    this.#replying ??= setTimeout(
      () => {
        this.#replying = undefined;
        const records = [...this.#replies];
        this.#replies.clear();
        for (const record of records) this.#answered.set(record, performance.now());
        void this.#socket.announce(records.map((record) => ({ answers: [record] })));
      },
      20 + Math.random() * 100,
    );
  }
}

/**
 * Milliseconds until the clock shows a multiple of `beat`. All processes of a machine renew to the same beat: each of them then wakes up
 * once to hear all the others, not once for each.
 */
function untilBeat(beat: number): number {
  return beat - (Date.now() % beat);
}

function isRenewal(before: Announcement, now: Announcement): boolean {
  return (
    before.service.hash === now.service.hash &&
    before.since === now.since &&
    before.ttl === now.ttl &&
    before.node.address === now.node.address &&
    sameTexts(before.node.metadata, now.node.metadata)
  );
}

function keyOf({ announcement: { namespace, name, version, node } }: Own): PlacementKey {
  return { namespace, name, version, id: node.id };
}

function wholeUnit({ pointer, location, text, host }: NodeRecords): Unit {
  return { answers: present(pointer, location, text, host) };
}

function isPointer(record: DnsRecord, name: string): record is DnsRecord & { readonly type: 'PTR' } {
  return record.type === 'PTR' && record.name === name && typeof record.data === 'string';
}

function present(...records: readonly (DnsRecord | undefined)[]): readonly DnsRecord[] {
  return records.filter((record) => record !== undefined);
}
