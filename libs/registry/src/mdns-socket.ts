import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import mdns from 'multicast-dns';
import { type DnsRecord, largestPacket, lengthOf, type Question, serviceTypes } from './mdns-records.js';

export interface Sender {
  readonly address: string;
  readonly port: number;
}

/** What came in: a query with the answers that its sender knows already, or a response with all its records. */
export interface Received {
  readonly type: 'query' | 'response';
  readonly id: number;
  readonly questions: readonly Question[];
  /** Not to be trusted in anything but being of the type that it says. */
  readonly records: readonly DnsRecord[];
  readonly from: Sender;
}

export interface SocketOptions {
  /** IPv4 address of the interface. */
  readonly interface: string;
  readonly port: number;
  /** Whether responses are worth reading now; default always. */
  readonly wantsResponses?: () => boolean;
  /** Never throws. */
  readonly receive: (packet: Received) => void;
  /** Told of the first packet that cannot be sent. */
  readonly failed: (error: Error) => void;
}

interface Outgoing {
  readonly type: 'query' | 'response';
  readonly id?: number;
  readonly questions?: readonly Question[];
  readonly answers?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

/** Packets that are made as they are sent, so that they say what is true by then. */
interface Job {
  readonly packets: Iterator<Outgoing>;
  readonly to: Sender;
  /** Packets that the kernel has not taken yet; one more until the last one is made. */
  open: number;
  /** Called when the kernel has taken all. */
  readonly sent: () => void;
}

/** Records that are sent together, with the question that they answer. */
export interface Unit {
  readonly question?: Question;
  readonly answers: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

const group = '224.0.0.251';
const headerBytes = 12;
/** Packets sent without a pause: more would overrun a receiver's buffer. */
const burst = 8;
const pause = 4;
const receiveBuffer = 1024 * 1024;

/**
 * A UDP socket that speaks multicast DNS on one interface. Of what arrives it drops, before anything is parsed, what came from elsewhere
 * than the machine when the interface is loopback (the kernel hands packets of any interface to a port that others use too), and what
 * does not mention Micro: on a busy network that is nearly everything.
 */
export class MulticastSocket {
  /** Of mDNS, not of this socket. */
  readonly port: number;
  readonly #options: SocketOptions;
  readonly #mdns: mdns.MulticastDNS;
  readonly #group: Sender;
  readonly #announcements: Job[] = [];
  readonly #replies: Job[] = [];
  #draining = false;
  #failed = false;
  #closed = false;

  private constructor(dns: mdns.MulticastDNS, options: SocketOptions) {
    this.#mdns = dns;
    this.#options = options;
    this.port = options.port;
    this.#group = { address: group, port: options.port };
    const receive = (type: Received['type']) => (packet: mdns.FullPacket, from: RemoteInfo) => {
      const records = (type === 'query'
        ? packet.answers
        : [...packet.answers, ...packet.additionals]) as unknown as DnsRecord[];
      options.receive({
        type,
        id: packet.id ?? 0,
        questions: packet.questions.map(lowerCase),
        records: records.map(lowerCase),
        from,
      });
    };
    dns.on('query', receive('query'));
    dns.on('response', receive('response'));
    // Packets that cannot be parsed, from whomever; and sends that fail, which the sender is told of.
    dns.on('warning', () => undefined);
    dns.on('error', () => undefined);
  }

  /** Listens to everything that is multicast. Throws where the port or the group cannot be had. */
  static async listen(options: SocketOptions): Promise<MulticastSocket> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    dropUnwanted(socket, options);
    // The group is joined here: the package would look at the interface every five seconds, by a timer that keeps a process alive.
    const dns = mdns({ socket, port: options.port, interface: options.interface, bind: '0.0.0.0', multicast: false });
    const opened = new MulticastSocket(dns, options);
    await ready(dns);
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
    socket.setMulticastInterface(options.interface);
    socket.addMembership(group, options.interface);
    enlarge(socket);
    // A process that serves has its own port to live for; one that only asks ends when it is done.
    socket.unref();
    return opened;
  }

  /** Asks from a port of its own: answers come to it alone, and disturb nobody else (RFC 6762, section 6.7). */
  static async ask(options: SocketOptions): Promise<MulticastSocket> {
    const socket = createSocket({ type: 'udp4' });
    dropUnwanted(socket, options);
    socket.bind(0, options.interface);
    await once(socket, 'listening');
    socket.setMulticastInterface(options.interface);
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
    enlarge(socket);
    const dns = mdns({ socket, port: 0, multicast: false });
    await ready(dns);
    socket.unref();
    return new MulticastSocket(dns, options);
  }

  /** To everyone. Resolves when the kernel has taken it. */
  async announce(units: Iterable<Unit>): Promise<void> {
    await this.#send(responses(pack(units)), this.#group);
  }

  /** To the one who asked from a port other than that of mDNS: with its id, its questions, and without what only caches understand. */
  async reply(units: Iterable<Unit>, { id, from }: Pick<Received, 'id' | 'from'>): Promise<void> {
    await this.#send(plainResponses(pack(units), id), from);
  }

  async query(questions: readonly Question[], known: readonly DnsRecord[] = []): Promise<void> {
    await this.#send([{ type: 'query', questions, answers: known }], this.#group);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { sent } of [...this.#announcements.splice(0), ...this.#replies.splice(0)]) sent();
    await new Promise<void>((resolve) => this.#mdns.destroy(resolve));
  }

  async #send(packets: Iterable<Outgoing>, to: Sender): Promise<void> {
    if (this.#closed) return;
    const queue = to === this.#group ? this.#announcements : this.#replies;
    const sent = new Promise<void>((resolve) =>
      queue.push({ packets: packets[Symbol.iterator](), to, open: 1, sent: resolve }),
    );
    if (!this.#draining) this.#drain();
    await sent;
  }

  /** News and replies in turn: neither waits for the other, however much there is to say. */
  #drain(): void {
    for (let count = 0; count < burst;) {
      const [first, second] =
        count % 2 === 0 ? [this.#announcements, this.#replies] : [this.#replies, this.#announcements];
      const queue = first.length > 0 ? first : second;
      const [job] = queue;
      if (!job) break;
      const next = job.packets.next();
      if (next.done) {
        queue.shift();
        this.#taken(job);
        continue;
      }
      count++;
      job.open++;
      this.#transmit(next.value, job.to, (error) => this.#taken(job, error));
    }
    this.#draining = this.#announcements.length + this.#replies.length > 0;
    if (this.#draining) setTimeout(() => this.#drain(), pause);
  }

  #taken(job: Job, error?: Error | null): void {
    if (--job.open === 0) job.sent();
    if (!error || this.#closed || this.#failed) return;
    this.#failed = true;
    this.#options.failed(error);
  }

  #transmit({ type, ...packet }: Outgoing, to: Sender, sent: (error?: Error | null) => void): void {
    try {
      if (type === 'query') this.#mdns.query(packet as mdns.QueryOutgoingPacket, to, sent);
      else this.#mdns.respond(packet as mdns.ResponseOutgoingPacket, to, sent);
    } catch (error) {
      sent(error as Error);
    }
  }
}

interface Packed {
  readonly questions: Question[];
  readonly answers: DnsRecord[];
  readonly additionals: DnsRecord[];
}

/** As few packets as the units fit in, in order, made one by one; what two units of a packet have in common is in it once. */
export function* pack(units: Iterable<Unit>): Iterable<Packed> {
  let packet: Packed | undefined;
  let contents = new Set<unknown>();
  let length = headerBytes;
  const addTo = <Part extends DnsRecord | Question>(list: Part[], parts: readonly Part[]) => {
    for (const part of parts) {
      const identity = identityOf(part);
      if (contents.has(identity)) continue;
      contents.add(identity);
      length += lengthOf(part);
      list.push(part);
    }
  };
  for (const { question, answers, additionals = [] } of units) {
    const parts = [...(question ? [question] : []), ...answers, ...additionals];
    const fresh = parts
      .filter((part) => !contents.has(identityOf(part)))
      .reduce((sum, part) => sum + lengthOf(part), 0);
    if (packet && length + fresh > largestPacket) {
      yield packet;
      packet = undefined;
      contents = new Set();
      length = headerBytes;
    }
    packet ??= { questions: [], answers: [], additionals: [] };
    addTo(packet.questions, question ? [question] : []);
    addTo(packet.answers, answers);
    addTo(packet.additionals, additionals);
  }
  if (packet) yield packet;
}

function* responses(packets: Iterable<Packed>): Iterable<Outgoing> {
  for (const { answers, additionals } of packets) yield { type: 'response', answers, additionals };
}

function* plainResponses(packets: Iterable<Packed>, id: number): Iterable<Outgoing> {
  const plain = (record: DnsRecord): DnsRecord => ({ ...record, flush: false, ttl: Math.min(record.ttl, 10) });
  for (const { questions, answers, additionals } of packets) {
    yield { type: 'response', id, questions, answers: answers.map(plain), additionals: additionals.map(plain) };
  }
}

/** Nodes of one host have records of their own for it that say the same. */
function identityOf(part: DnsRecord | Question): unknown {
  return 'data' in part && (part.type === 'A' || part.type === 'AAAA') ? `${part.type} ${part.name}` : part;
}

/** Names are compared without regard to case (RFC 6762, section 16); ours have none. */
function lowerCase<Named extends { readonly name: string }>(named: Named): Named {
  return { ...named, name: named.name.toLowerCase() };
}

async function ready(dns: mdns.MulticastDNS): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    dns.once('ready', resolve);
    dns.once('error', reject);
  });
}

/** Before anything is parsed: that costs more than all the rest, and nearly all that a service hears is other services' renewals. */
function dropUnwanted(socket: Socket, { interface: address, wantsResponses }: SocketOptions): void {
  const local = address.startsWith('127.');
  const emit = socket.emit.bind(socket) as (...event: unknown[]) => boolean;
  const isWanted = (message: Buffer, from: RemoteInfo) => {
    if (local && !from.address.startsWith('127.')) return false;
    if (wantsResponses && isResponse(message) && !wantsResponses()) return false;
    return message.includes('micro') || message.includes(serviceTypes.slice(0, 9));
  };
  socket.emit = (...event: unknown[]) =>
    event[0] === 'message' && !isWanted(event[1] as Buffer, event[2] as RemoteInfo) ? false : emit(...event);
}

/** The first flag of a DNS header (RFC 1035, section 4.1.1). */
function isResponse(message: Buffer): boolean {
  return ((message[2] ?? 0) & 0x80) !== 0;
}

/** A process that starts late is told of everyone at once. */
function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(receiveBuffer);
  } catch {
    // Then the system's own size has to do.
  }
}
