import { createHash } from 'node:crypto';

/**
 * Where things are in JetStream. Its streams are called `MICRO_EVENTS+<namespace>+<stream>`, `MICRO_EVENT_GROUP+<namespace>+<stream>+<group>` and
 * `MICRO_EVENT_DEAD+<namespace>+<stream>`; their subjects begin with `micro.events.kept`, `micro.events.group` and `micro.events.dead`, and go on with
 * the same names. A dot in a name is a `~`. What JetStream has stored it tells whoever listens to `micro.events.live.…`.
 */
export interface EventsPlace {
  readonly name: string;
  /** Of the events; the class of each comes behind it. */
  readonly subject: string;
  readonly live: string;
}

export interface GroupPlace {
  readonly name: string;
  /** Of the journal; what an entry is comes behind it. */
  readonly subject: string;
  readonly live: string;
}

export interface DeadPlace {
  readonly name: string;
  /** Of the letters of every group. */
  readonly subject: string;
}

export function eventsPlace(namespace: string, stream: string): EventsPlace {
  const parts = [namespace, stream].map(token);
  return {
    name: streamName('MICRO_EVENTS', parts),
    subject: `micro.events.kept.${parts.join('.')}`,
    live: `micro.events.live.kept.${parts.join('.')}.>`,
  };
}

export function groupPlace(namespace: string, stream: string, group: string): GroupPlace {
  const parts = [namespace, stream, group].map(token);
  return {
    name: streamName('MICRO_EVENT_GROUP', parts),
    subject: `micro.events.group.${parts.join('.')}`,
    live: `micro.events.live.group.${parts.join('.')}.>`,
  };
}

export function deadPlace(namespace: string, stream: string): DeadPlace {
  const parts = [namespace, stream].map(token);
  return { name: streamName('MICRO_EVENT_DEAD', parts), subject: `micro.events.dead.${parts.join('.')}` };
}

/** Subject of a dead letter. */
export function letterSubject({ subject }: DeadPlace, group: string, offset: number): string {
  return `${subject}.${token(group)}.${offset}`;
}

/** Subjects of the letters of one group, or of all. */
export function letterSubjects({ subject }: DeadPlace, group?: string): string {
  return `${subject}.${group === undefined ? '*' : token(group)}.*`;
}

/** Which letter has a subject. */
export function letterOf(subject: string): { readonly group: string; readonly offset: number } {
  const [, , , , , group = '', offset] = subject.split('.');
  return { group: untoken(group), offset: Number(offset) };
}

/** Subjects of all events of a namespace, and of its groups or of those of one stream. */
export function eventsOf(namespace: string): string {
  return `micro.events.kept.${token(namespace)}.>`;
}

export function groupsOf(namespace: string, stream?: string): string {
  return `micro.events.group.${token(namespace)}.${stream === undefined ? '' : `${token(stream)}.`}>`;
}

/** Names that are in a subject: the stream's, and the group's in that of one. */
export function namesIn(subject: string): { readonly stream: string; readonly group: string } {
  const [, , , , stream = '', group = ''] = subject.split('.');
  return { stream: untoken(stream), group: untoken(group) };
}

/** JetStream allows 255 characters, which are a folder's name. */
const longest = 200;

function streamName(kind: string, parts: readonly string[]): string {
  const name = [kind, ...parts].join('+');
  if (name.length <= longest) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 32);
  return `${name.slice(0, longest - digest.length - 1)}+${digest}`;
}

/** No name has a `~`. */
function token(name: string): string {
  return name.replaceAll('.', '~');
}

function untoken(part: string): string {
  return part.replaceAll('~', '.');
}
