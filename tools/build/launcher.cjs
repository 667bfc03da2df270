'use strict';
/**
 * Starts app.cjs, the bundle beside this file, from a V8 code cache: compiled functions are read instead of compiled again, which
 * halves the start of a Nest process. The cache lives under MICRO_HOME (default ~/.micro), is made two seconds after the first start, or at
 * the end of a program that is done sooner, takes the place of that of an older bundle, and is ignored by V8 whenever the bundle, Node or the
 * processor differ. Without a writable home everything works, only slower.
 */
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');

const file = path.join(__dirname, 'app.cjs');
const source = fs.readFileSync(file, 'utf8');
const home = process.env.MICRO_HOME || path.join(os.homedir(), '.micro');
const place = createHash('sha1').update(file).digest('hex').slice(0, 12);
const key = createHash('sha1').update(source).update(process.version).update(process.arch).digest('hex');
const cacheFile = path.join(home, 'cache', 'code', `${place}-${key}.bin`);

let cachedData;
try {
  cachedData = fs.readFileSync(cacheFile);
} catch {
  cachedData = undefined;
}
const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: file,
  cachedData,
});
if (!cachedData || script.cachedDataRejected) {
  setTimeout(writeCache, 2000).unref();
  process.once('exit', writeCache);
}

module.filename = file;
script.runInThisContext()(module.exports, createRequire(file), module, file, __dirname);

let written = false;

function writeCache() {
  if (written) return;
  written = true;
  try {
    const folder = path.dirname(cacheFile);
    // One by one: Node's recursive way never returns where the system says that a folder is not there, and it is (/proc).
    for (const made of [home, path.dirname(folder), folder]) if (!fs.existsSync(made)) fs.mkdirSync(made, { mode: 0o700 });
    const older = fs.readdirSync(folder).filter((name) => name.startsWith(`${place}-`));
    const temporary = `${cacheFile}.${process.pid}`;
    fs.writeFileSync(temporary, script.createCachedData(), { mode: 0o600 });
    fs.renameSync(temporary, cacheFile);
    for (const name of older) if (name !== path.basename(cacheFile)) fs.rmSync(path.join(folder, name), { force: true });
  } catch {
    // Read-only or full home: start without a cache the next time, too.
  }
}
