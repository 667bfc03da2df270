/** `nx run soak:run --minutes=60 --rate=20`: prints what the soak found; exits with 1 if it is not as it must be. */
import { parseArgs } from 'node:util';
import { growth, soak } from './soak.mjs';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '20' } },
});
const { rows, done, failures, grown, memory } = await soak({
  minutes: Number(values.minutes),
  rate: Number(values.rate),
  progress: (line) => console.log(line),
});
console.table(rows);
console.log(`done: ${JSON.stringify(done)}`);
console.log(
  `memory of all: ${memory.second.toFixed(1)} MB in the second quarter, ${memory.last.toFixed(1)} MB in the last: ${((memory.ratio - 1) * 100).toFixed(1)} %`,
);
for (const failure of failures) console.error(`failed: ${failure}`);
for (const process of grown) console.error(`${process} has more descriptors than in the second quarter`);
const isFlat = memory.ratio <= 1 + growth;
if (!isFlat) console.error(`memory has grown by more than ${growth * 100} %`);
process.exit(failures.length === 0 && grown.length === 0 && isFlat ? 0 : 1);
