import { stripVTControlCharacters } from 'node:util';
import CliTable from 'cli-table3';
import type { Paint } from './paint.js';

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

const gap = 3;
/** Less of the last column than this says nothing: then lines are left to the terminal. */
const leastRoom = 16;

/**
 * Columns under upper-case titles, aligned by what is seen: colours and wide characters do not shift them. In a terminal, whose width is given, the
 * last column is cut where lines would be wrapped.
 */
export function renderTable(
  titles: readonly string[],
  all: readonly (readonly string[])[],
  paint: Paint,
  width = Number.POSITIVE_INFINITY,
): string {
  const rows = fitted(titles, all, width);
  const table = new CliTable({
    head: titles.map((title) => paint.bold(title.toUpperCase())),
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function fitted(titles: readonly string[], rows: readonly (readonly string[])[], width: number) {
  const seen = (text: string) =>
    Math.max(
      ...stripVTControlCharacters(text)
        .split('\n')
        .map((line) => line.length),
    );
  const before = titles
    .slice(0, -1)
    .map((title, index) => Math.max(title.length, ...rows.map((row) => seen(row[index] ?? ''))));
  const room = width - before.reduce((sum, one) => sum + one + gap, 0);
  if (room < leastRoom) return rows;
  return rows.map((row) => {
    const last = stripVTControlCharacters(row.at(-1) ?? '');
    return seen(last) > room && !last.includes('\n') ? [...row.slice(0, -1), `${last.slice(0, room - 1)}…`] : row;
  });
}
