/** A process of its own for nats-faults.spec.ts: writes without end to the server whose address it is given, with the grace that it is given. */
import { randomBytes } from 'node:crypto';
import { MicroError } from '@micro/errors';
import { openNatsBlobs } from './nats.js';

const [, , address = '', grace] = process.argv;
const say = (line: string) => process.stdout.write(`${line}\n`);

async function* content() {
  for (let made = 0; ; made++) {
    yield randomBytes(256 * 1024);
    if (made === 10) say('writing');
    if (made >= 10) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function write(): Promise<void> {
  const blobs = await openNatsBlobs({ servers: [address], grace: Number(grace) });
  await blobs
    .write('a', content())
    .catch((error: unknown) => say(`${MicroError.from(error).code} ${MicroError.from(error).detail}`));
  say('ended');
}

void write();
