/** At most three of the names that a mistyped one may have meant, the likeliest first. */
export function nearest(wrong: string, names: Iterable<string>): string[] {
  if (wrong.length > 64) return [];
  const word = wrong.toLowerCase();
  const allowed = Math.max(1, Math.floor(word.length / 3));
  return [...names]
    .map((name) => ({ name, distance: distance(word, name.toLowerCase(), allowed) }))
    .filter((one) => one.distance <= allowed)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Letters to insert, delete, replace or swap with a neighbour (optimal string alignment); more than `limit` is not counted out. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (row[j - 1] as number) + 1,
        (last[j] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] as number) + 1);
      row.push(best);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] as number;
}
