'use strict';
/**
 * Starts app.cjs, the bundle beside this file, from a V8 code cache: compiled functions are read instead of compiled again, which
 * halves the start of a Nest process. The cache lives under MICRO_HOME (default ~/.micro), is made two seconds after the first start, or at
 * the end of a program that is done sooner, takes the place of that of an older bundle, and is ignored by V8 whenever Node or the
 * processor differ. Without a writable home everything works, only slower.
 */
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');

/** Of the bundle's text, put here by the build: V8 itself compares no more than its length. */
const bundleHash = '@bundleHash@';
const file = path.join(__dirname, 'app.cjs');
const home = process.env.MICRO_HOME || path.join(os.homedir(), '.micro');
const folder = path.join(home, 'cache', 'code');
const place = hash(file);
const cacheFile = path.join(folder, `${place}-${bundleHash}-${process.version}-${process.arch}.bin`);

module.filename = file;
load()(module.exports, createRequire(file), module, file, __dirname);

/** The bundle as a function. In one of its own, so that nothing it has read stays in memory while the program runs. */
function load() {
  const cachedData = readIfThere(cacheFile);
  const script = new vm.Script(fs.readFileSync(file, 'utf8'), { filename: file, cachedData });
  if (!cachedData || script.cachedDataRejected) {
    let written = false;
    const write = () => {
      if (!written) writeCache(script);
      written = true;
    };
    setTimeout(write, 2000).unref();
    process.once('exit', write);
  }
  return script.runInThisContext();
}

function readIfThere(name) {
  try {
    return fs.readFileSync(name);
  } catch {
    return undefined;
  }
}

function writeCache(script) {
  try {
    // One by one: Node's recursive way never returns where the system says that a folder is not there, and it is (/proc).
    for (const made of [home, path.dirname(folder), folder])
      if (!fs.existsSync(made)) fs.mkdirSync(made, { mode: 0o700 });
    const older = fs.readdirSync(folder).filter((name) => name.startsWith(`${place}-`));
    const temporary = `${cacheFile}.${process.pid}`;
    fs.writeFileSync(temporary, script.createCachedData(), { mode: 0o600 });
    fs.renameSync(temporary, cacheFile);
    for (const name of older)
      if (name !== path.basename(cacheFile)) fs.rmSync(path.join(folder, name), { force: true });
  } catch {
    // Read-only or full home: start without a cache the next time, too.
  }
}

/** FNV-1a, 32 bits: enough to tell places apart, and node:crypto takes milliseconds to load. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const unit of text) value = Math.imul(value ^ unit.codePointAt(0), 0x01000193) >>> 0;
  return value.toString(16).padStart(8, '0');
}
