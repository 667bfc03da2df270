import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

/** Writes a generated file in one step, unless it is there and the same: builds that watch it are not woken for nothing. */
export function writeIfChanged(file: string, text: string): boolean {
  if (statSync(file, { throwIfNoEntry: false }) && readFileSync(file, 'utf8') === text) return false;
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
  return true;
}
