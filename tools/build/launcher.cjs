'use strict';
/**
 * Starts app.cjs, the bundle beside this file, from a V8 code cache: compiled functions are read instead of compiled again, which
 * halves the start of a Nest process. The cache lives under MICRO_HOME (default ~/.micro), is made two seconds after the first start
 * and is ignored by V8 whenever the bundle, Node or the processor differ. Without a writable home everything works, only slower.
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
const key = createHash('sha1').update(source).update(process.version).update(process.arch).digest('hex');
const cacheFile = path.join(home, 'cache', 'code', `${key}.bin`);

let cachedData;
try {
  cachedData = fs.readFileSync(cacheFile);
} catch {
  cachedData = undefined;
}
const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: file,
  cachedData,
  importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
if (!cachedData || script.cachedDataRejected) setTimeout(writeCache, 2000).unref();

module.filename = file;
script.runInThisContext()(module.exports, createRequire(file), module, file, __dirname);

function writeCache() {
  try {
    fs.mkdirSync(home, { recursive: true, mode: 0o700 });
    fs.mkdirSync(path.dirname(cacheFile), { recursive: true });
    const temporary = `${cacheFile}.${process.pid}`;
    fs.writeFileSync(temporary, script.createCachedData());
    fs.renameSync(temporary, cacheFile);
  } catch {
    // Read-only or full home: start without a cache the next time, too.
  }
}
