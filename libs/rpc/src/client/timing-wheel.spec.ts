import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '@micro/testing';
import { Timed, TimingWheel } from './timing-wheel.js';

class Alarm extends Timed {
  firedAt: number | undefined;
  constructor(readonly then: () => void = () => undefined) {
    super();
  }
  expire(): void {
    expect(this.firedAt).toBeUndefined();
    this.firedAt = performance.now();
    this.then();
  }
}

describe('TimingWheel', () => {
  let wheel = new TimingWheel();
  afterEach(async () => {
    await until('the wheel is empty', () => wheel.size === 0);
    wheel = new TimingWheel();
  });

  it('fires each entry once, never early, in the order of their times', async () => {
    // In the future of a busy machine, too: what has passed when it is put on the wheel has no order.
    const begun = performance.now() + 500;
    const delays = [300, 5, 120, 40, 3000, 0, 120];
    const alarms = delays.map((delay) => ({ alarm: new Alarm(), at: begun + delay }));
    for (const { alarm, at } of alarms) wheel.add(alarm, at);
    await until('all have fired', () => alarms.every(({ alarm }) => alarm.firedAt !== undefined));
    for (const { alarm, at } of alarms) expect(alarm.firedAt).toBeGreaterThanOrEqual(at);
    const order = [...alarms]
      .sort((a, b) => (a.alarm.firedAt as number) - (b.alarm.firedAt as number))
      .map(({ at }) => Math.ceil((at - begun) / 5));
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('does not fire what was taken off, also by another entry that fires at the same time', async () => {
    const at = performance.now() + 20;
    const removed = new Alarm();
    const victim = new Alarm();
    const killer = new Alarm(() => wheel.remove(victim));
    const last = new Alarm();
    for (const alarm of [removed, killer, victim, last]) wheel.add(alarm, at);
    wheel.remove(removed);
    wheel.remove(removed);
    expect(wheel.size).toBe(3);
    await until('the last has fired', () => last.firedAt !== undefined);
    expect([removed.firedAt, victim.firedAt]).toEqual([undefined, undefined]);
  });

  it('takes entries from within one that fires', async () => {
    const second = new Alarm();
    wheel.add(new Alarm(() => wheel.add(second, performance.now())), performance.now());
    await until('the second has fired', () => second.firedAt !== undefined);
  });

  it('lets what has arrived be read first after the process was blocked', async () => {
    const order: string[] = [];
    const alarm = new Alarm(() => order.push('deadline'));
    // Late enough not to come before the process is blocked, on a busy machine too.
    const due = performance.now() + 500;
    wheel.add(alarm, due);
    const { port1, port2 } = new MessageChannel();
    port2.on('message', () => {
      order.push('answer');
      port2.close();
    });
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
    port1.postMessage('');
    while (performance.now() < due + 250);
    await until('both have happened', () => order.length === 2);
    expect(order).toEqual(['answer', 'deadline']);
  });
});
