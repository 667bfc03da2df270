import type { Paint } from '../output/paint.js';

const colors = ['cyan', 'magenta', 'blue', 'green', 'yellow'] as const;

/** Puts names in front of lines, aligned, each in a colour of its own. */
export function logPrefixes(names: readonly string[], paint: Paint): (name: string, text: string) => string {
  const width = Math.max(...names.map((name) => name.length));
  const prefixes = new Map(
    names.map((name, index) => [
      name,
      `${paint[colors[index % colors.length]!](name.padEnd(width))} ${paint.dim('|')} `,
    ]),
  );
  return (name, text) => `${prefixes.get(name) ?? ''}${text}\n`;
}
