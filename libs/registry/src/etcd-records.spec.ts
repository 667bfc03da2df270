import { describe, expect, it } from 'vitest';
import { encodeContent } from './content.js';
import { greeter } from './contract/services.fixture.js';
import { decodeNode, EtcdKeys, encodeNode, packContent, unpackContent } from './etcd-records.js';

describe('keys in etcd', () => {
  const keys = new EtcdKeys('/micro/registry/');

  it('are read as they were made, whatever is in a name', () => {
    for (const odd of ['a', 'a/b', '%2F', '%', '%25', '/', '..', 'ä', '👋', ' ', '__proto__']) {
      const node = { namespace: 'micro', name: odd, version: odd, id: odd };
      expect(keys.parse(keys.node(node))).toEqual({ type: 'node', node });
      const { id: _, ...version } = node;
      expect(keys.parse(keys.content(version, 'abc'))).toEqual({ type: 'content', version, hash: 'abc' });
    }
  });

  it('are in the ranges of their version, and in nobody else’s', () => {
    const version = { namespace: 'micro', name: 'a', version: '1' };
    const inside = (key: string, { start, end }: { start: string; end: string }) => start <= key && key < end;
    const key = keys.node({ ...version, id: 'x' });
    expect(inside(key, keys.nodes(version))).toBe(true);
    expect(inside(key, keys.all)).toBe(true);
    expect(inside(key, keys.contents(version))).toBe(false);
    expect(inside(keys.content(version, 'abc'), keys.contents(version))).toBe(true);
    for (const other of [{ version: '10' }, { version: '1/2' }, { name: 'a/1' }, { namespace: 'micro.a' }])
      expect(inside(keys.node({ ...version, ...other, id: 'x' }), keys.nodes(version))).toBe(false);
  });
});

describe('values in etcd', () => {
  it('are read as they were written, and others as none', () => {
    const record = { address: '127.0.0.1:1', metadata: { zone: 'a' }, content: 'abc', since: 17 };
    expect(decodeNode(Buffer.from(encodeNode(record)))).toEqual(record);
    for (const text of ['', 'null', '1', '{', '{}', '{"address":"a","metadata":{"a":1},"content":"a","since":1}'])
      expect(decodeNode(Buffer.from(text))).toBeUndefined();
  });

  it('are content only if they are what their hash says', () => {
    const { bytes, hash, content } = encodeContent(greeter());
    expect(unpackContent(hash, packContent(bytes))).toEqual(content);
    expect(unpackContent(hash, packContent(Buffer.from('{}')))).toBeUndefined();
    expect(unpackContent(hash, Buffer.from('not deflated'))).toBeUndefined();
  });
});
