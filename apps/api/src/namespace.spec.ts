import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedNamespace, Hosts } from './namespace.js';

describe('hosts', () => {
  it.each([
    ['localhost', undefined],
    ['localhost:8080', undefined],
    ['127.0.0.1:8080', undefined],
    ['[::1]:8080', undefined],
    ['gateway', undefined],
    ['foo.localhost', undefined],
    ['api.default.svc.cluster.local', undefined],
    ['example.com', undefined],
    ['api.example.com', undefined],
    ['api.m3o.com', undefined],
    ['m3o.app', undefined],
    ['foo.example.com', 'foo'],
    ['FOO.Example.com:443', 'foo'],
    ['foo.example.com.', 'foo'],
    ['staging.myapp.m3o.app', 'myapp-staging'],
    ['example.co.uk', undefined],
    ['foo.example.co.uk', 'foo'],
    ['someone.github.io', undefined],
    ['foo.someone.github.io', 'foo'],
    ['co.uk', undefined],
    ['', undefined],
    ['..', undefined],
  ])('%s is %s', async (host, namespace) => {
    const hosts = new Hosts();
    expect(await hosts.namespace(host)).toBe(namespace);
    expect(await hosts.namespace(host)).toBe(namespace);
  });

  it('answers anything, and a known name at once', async () => {
    const hosts = new Hosts();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.domain(), fc.string(), fc.webAuthority()),
        async (host) => void (await hosts.namespace(host)),
      ),
    );
    await hosts.namespace('a.example.com');
    expect(hosts.namespace('a.example.com')).toBe('a');
  });
});

describe('a given namespace', () => {
  it('is a name and nothing else', () => {
    expect(checkedNamespace('myapp-staging')).toBe('myapp-staging');
    for (const wrong of ['', '-a', 'a/b', '../etc', '*', 'a b', 'a'.repeat(101), '__proto__']) {
      expect(() => checkedNamespace(wrong)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }
  });
});
