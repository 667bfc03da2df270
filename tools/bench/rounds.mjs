/** Measures every side once a round, in turn, so that noise of the machine falls on all alike; resolves to each side's medians. */
export async function rounds(sides, { count, measure, progress }) {
  const samples = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 1; round <= count; round++) {
    for (const [name, side] of Object.entries(sides)) {
      progress(`round ${round} of ${count}: ${name}`);
      samples[name].push(await measure(side, name));
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, all]) => [name, medians(all)]));
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function medians(samples) {
  return Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(samples.map((sample) => sample[key]))]));
}
