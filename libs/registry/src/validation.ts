import { MicroError } from '@micro/errors';
import { defaultNamespace, defaultTtl, type Node, type Service } from './registry.js';

/** UTF-8 bytes of a name, version, node id or address. Keeps each of them within one string of a DNS TXT record. */
const longestText = 200;
/** Bytes of a node's metadata, as JSON. */
export const largestNode = 64 * 1024;
/** Milliseconds: a week. */
const longestTtl = 7 * 24 * 3_600_000;

/** MicroError `invalid_argument` that names what is wrong. Every adapter calls it before it registers anything. */
export function checkService(service: Service): void {
  checkText('service name', service.name);
  checkText('service version', service.version);
  if (service.nodes.length === 0)
    throw invalid(`service ${quote(service.name)} has no nodes: there is nothing to register`);
  for (const node of service.nodes) checkNode(node);
}

export function checkNode(node: Node): void {
  checkText('node id', node.id);
  checkText('node address', node.address);
  if (!isAddress(node.address)) {
    throw invalid(`node address ${quote(node.address)} of node ${quote(node.id)} is not of the form host:port`);
  }
  if (JSON.stringify(node.metadata).length > largestNode) {
    throw invalid(`metadata of node ${quote(node.id)} is larger than ${largestNode / 1024} KB`);
  }
}

/** The namespace that is meant; `micro` if none is given. Namespaces go into headers and host names, so their letters are few. */
export function checkedNamespace(namespace: string = defaultNamespace): string {
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(namespace)) {
    throw invalid(`namespace ${quote(namespace)} may only have letters, digits, '.', '_' and '-', at most 100 of them`);
  }
  return namespace;
}

/** The time to live that is meant, in milliseconds. */
export function checkedTtl(ttl: number = defaultTtl): number {
  if (!(ttl >= 1_000 && ttl <= longestTtl))
    throw invalid(`ttl ${ttl} is not between 1,000 and ${longestTtl} milliseconds`);
  return ttl;
}

/** What every call on a closed registry is answered with. */
export function closed(): MicroError {
  return new MicroError('failed_precondition', 'this registry is closed: open another', { id: 'registry' });
}

function checkText(what: string, text: string): void {
  if (typeof text !== 'string' || text.trim() === '') throw invalid(`${what} is empty`);
  if (Buffer.byteLength(text) > longestText)
    throw invalid(`${what} ${quote(text)} is longer than ${longestText} bytes`);
  // Control characters, halves of surrogate pairs and line separators: nothing that could be typed, printed or logged.
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text))
    throw invalid(`${what} ${quote(text)} has characters that cannot be printed`);
  if (text.trim() !== text) throw invalid(`${what} ${quote(text)} begins or ends with a space`);
}

function isAddress(address: string): boolean {
  const [, port] = /^(?:[^\s:/[\]]+|\[[0-9A-Fa-f:.%]+\]):(\d{1,5})$/.exec(address) ?? [];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'registry' });
}
