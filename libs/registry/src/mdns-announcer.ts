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

const mdnsPort = 5353;
/** Blobs up to so many chunks are sent along with the first announcement; of larger ones everyone asks for what they need. */
const chunksUnasked = 4;
/** Milliseconds after which a new node is announced again, in case the first packet was lost (RFC 6762, section 8.3). */
const secondAnnouncement = 1_000;
/** Milliseconds that a renewal waits for others to share a packet with; less where registrations are short-lived. */
const longestWait = 1_000;
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
        this.#renewWithin(label, 'text', Math.min(ttl / 10, longestWait));
        continue;
      }
      const records = recordsOf(announcement);
      this.#own.set(label, { label, announcement, records });
      units.push(wholeUnit(records));
      for (const blob of records.blobs.values()) {
        if (sent.has(blob.hash) || blob.chunks.length > chunksUnasked || before?.records.blobs.has(blob.hash)) continue;
        sent.add(blob.hash);
        for (const chunk of blob.chunks.keys()) units.push({ answers: present(blobRecord(blob, chunk, label, ttl)) });
      }
      this.#renewWithin(label, 'whole', secondAnnouncement);
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
      return { answers: [...goodbyeOf(label, this.#by), ...(location ? [{ ...location, ttl: 0 }] : [])] };
    });
    if (units.length > 0) await this.#socket.announce(units);
  }

  /** Stops speaking for a node, in silence: somebody else has said that it is gone. Its key, if it was ours. */
  forget(label: string): PlacementKey | undefined {
    const own = this.#own.get(label);
    this.#own.delete(label);
    this.#renewals.delete(label);
    return own && keyOf(own);
  }

  /** Answers what it is asked and knows, unless the asker knows it too. */
  answer(query: Received): void {
    const units = query.questions.flatMap((question) => this.#answers(question, query.records));
    if (units.length === 0) return;
    if (query.from.port !== mdnsPort) void this.#socket.reply(units, query);
    else this.#replyToAll(units);
  }

  async close(options: { readonly withdraw: boolean }): Promise<void> {
    clearTimeout(this.#renewing?.timer);
    clearTimeout(this.#replying);
    if (options.withdraw) await this.withdraw([...this.#own.values()].map(keyOf));
    this.#own.clear();
  }

  #renewWithin(label: string, what: 'whole' | 'text', milliseconds: number): void {
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

  #answers(question: Question, known: readonly DnsRecord[]): Unit[] {
    const { name } = question;
    const asks = (type: string) => question.type === type || question.type === 'ANY';
    if (name === serviceTypes && asks('PTR') && this.#own.size > 0) {
      return [
        { question, answers: [{ name: serviceTypes, type: 'PTR', ttl: 4_500, flush: false, data: serviceType }] },
      ];
    }
    if ((name === serviceType || name.endsWith(`._sub.${serviceType}`)) && asks('PTR')) {
      const asked = ({ announcement }: Own) => name === serviceType || subtypeOf(announcement.namespace) === name;
      return [...this.#own.values()].filter(asked).flatMap(({ records }) => {
        const { pointer } = records;
        if (known.some((record) => isKnown(record, name, pointer))) return [];
        const answer = name === serviceType ? pointer : { ...pointer, name };
        return { question, answers: [answer], additionals: present(records.location, records.text, records.host) };
      });
    }
    const blob = parseBlobName(name);
    if (blob) {
      const records = this.#own.get(blob.label)?.records;
      const found = records?.blobs.get(blob.hash);
      const answers = found
        ? present(blobRecord(found, blob.chunk, blob.label, records ? records.text.ttl * 1_000 : 0))
        : [];
      return answers.length > 0 ? [{ question, answers }] : [];
    }
    const label = labelIn(name);
    const one = label === undefined ? undefined : this.#own.get(label)?.records;
    const records = one ? present(one.location, one.text) : this.#hostRecords(name);
    const answers = records.filter(({ type }) => asks(type));
    return answers.length > 0 ? [{ question, answers, additionals: one ? present(one.host) : [] }] : [];
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

/** A known answer spares us ours if it is good for at least half of the time that ours would be (RFC 6762, section 7.1). */
function isKnown(record: DnsRecord, name: string, pointer: DnsRecord): boolean {
  if (record.type !== 'PTR' || record.name !== name || typeof record.data !== 'string') return false;
  return record.data.toLowerCase() === pointer.data && record.ttl >= pointer.ttl / 2;
}

function present(...records: readonly (DnsRecord | undefined)[]): readonly DnsRecord[] {
  return records.filter((record) => record !== undefined);
}
