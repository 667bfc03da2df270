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

/** Columns under upper-case titles, aligned by what is seen: colours and wide characters do not shift them. */
export function renderTable(titles: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string {
  const table = new CliTable({
    head: titles.map((title) => paint.bold(title.toUpperCase())),
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3 },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
