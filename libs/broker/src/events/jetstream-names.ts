import { createHash } from 'node:crypto';

/**
 * Where things are in JetStream. Subjects: `micro-events.<namespace>.<stream>.<class>`, `micro-groups.<namespace>.<stream>.<group>`,
 * `micro-dead.<namespace>.<stream>.<group>.<offset>`; names of JetStream's streams have the same parts, joined by `+`. A dot in a name is a `~`.
 * What JetStream has stored it tells whoever listens to `micro-live.…`.
 */
export interface EventsPlace {
  readonly name: string;
  /** Of the events; the class of each comes behind it. */
  readonly subject: string;
  readonly live: string;
}

export interface GroupPlace {
  readonly name: string;
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
    name: streamName('micro-events', parts),
    subject: `micro-events.${parts.join('.')}`,
    live: `micro-live.events.${parts.join('.')}.>`,
  };
}

export function groupPlace(namespace: string, stream: string, group: string): GroupPlace {
  const parts = [namespace, stream, group].map(token);
  return {
    name: streamName('micro-groups', parts),
    subject: `micro-groups.${parts.join('.')}`,
    live: `micro-live.groups.${parts.join('.')}.>`,
  };
}

export function deadPlace(namespace: string, stream: string): DeadPlace {
  const parts = [namespace, stream].map(token);
  return { name: streamName('micro-dead', parts), subject: `micro-dead.${parts.join('.')}` };
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
  const [, , , group = '', offset] = subject.split('.');
  return { group: untoken(group), offset: Number(offset) };
}

/** Subjects of all events of a namespace, and of its groups or of those of one stream. */
export function eventsOf(namespace: string): string {
  return `micro-events.${token(namespace)}.>`;
}

export function groupsOf(namespace: string, stream?: string): string {
  return `micro-groups.${token(namespace)}.${stream === undefined ? '' : `${token(stream)}.`}>`;
}

/** Names that are in a subject: the stream's, and the group's in that of one. */
export function namesIn(subject: string): { readonly stream: string; readonly group: string } {
  const [, , stream = '', group = ''] = subject.split('.');
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
