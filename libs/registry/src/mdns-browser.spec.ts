import { expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { EventQueue } from './event-queue.js';
import { Browser } from './mdns-browser.js';
import { freeUdpPort } from './outside-process.js';

it('remembers no more namespaces in which there is nothing than so many, but those that are read', async () => {
  const catalog = new Catalog();
  const browser = new Browser({
    interface: '127.0.0.1',
    port: await freeUdpPort(),
    catalog,
    isOwn: () => false,
    dismissed: () => undefined,
    by: 'nobody',
    failed: () => undefined,
  });
  const queue = new EventQueue();
  const ended = new Promise<void>((resolve) => queue.onEnd(resolve));
  const watching = browser.reading('watched', () => ended);
  for (let index = 0; index < 3_000; index++) await browser.reading(`n${index}`, () => catalog.list(`n${index}`));
  expect(browser.namespaces).toBeLessThanOrEqual(1_001);
  // Known before, so nothing is waited for.
  const kept = browser.namespaces;
  await browser.reading('watched', () => undefined);
  expect(browser.namespaces).toBe(kept);
  queue.end();
  await watching;
  await browser.close();
});
