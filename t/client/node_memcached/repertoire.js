// repertoire.js - what Node programs do with memcached (the package of that name, text protocol). See client_repertoire.py.
//
// usage: node repertoire.js HOST PORT PREFIX SCENARIO

const assert = require('node:assert/strict');
const { promisify } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const Memcached = require('memcached');

const [host, port, ownPrefix, scenario] = process.argv.slice(2);
const prefix = `${ownPrefix}node:${scenario}:`;
const connect = (options) => new Memcached(`${host}:${port}`, { timeout: 20000, retries: 0, poolSize: 20, ...options });
const client = connect();
const call = (name) => promisify(client[name]).bind(client);
const [get, gets, getMulti, set, add, replace, append, prepend, cas, incr, decr, del, touch] =
  ['get', 'gets', 'getMulti', 'set', 'add', 'replace', 'append', 'prepend', 'cas', 'incr', 'decr', 'del', 'touch'].map(call);
const inGroupsOf = (size, list) => Array.from({ length: Math.ceil(list.length / size) }, (_, group) => list.slice(group * size, (group + 1) * size));
const a = `${prefix}a`;
const b = `${prefix}b`;

const scenarios = {
  async store_and_fetch() {
    assert.equal(await get(a), undefined);
    assert.equal(await set(a, 'one', 0), true);
    assert.equal(await get(a), 'one');
    await assert.rejects(add(a, 'two', 0), /not stored/);
    assert.equal(await replace(a, 'three', 0), true);
    assert.equal(await get(a), 'three');
    await assert.rejects(replace(b, 'one', 0), /not stored/);
    assert.equal(await add(b, 'two', 0), true);
    assert.equal(await del(a), true);
    assert.equal(await del(a), false);
    assert.equal(await get(a), undefined);
  },

  async objects_come_back_as_they_were() {
    for (const value of [0, 42, -7, true, 'Grüße 世界 🦀', [1, { two: [3] }], Buffer.from([0, 13, 10, 255])]) {
      assert.equal(await set(a, value, 0), true);
      assert.deepEqual(await get(a), value);
    }
  },

  async append_and_prepend() {
    await assert.rejects(append(a, '!'), /not stored/);
    await set(a, 'b', 0);
    assert.equal(await append(a, 'c'), true);
    assert.equal(await prepend(a, 'a'), true);
    assert.equal(await get(a), 'abc');
  },

  async cas() {
    await set(a, 'one', 0);
    const seen = await gets(a);
    assert.equal(seen[a], 'one');
    assert.equal(await cas(a, 'two', seen.cas, 0), true);
    assert.equal(await cas(a, 'three', seen.cas, 0), false);
    assert.equal(await get(a), 'two');
  },

  async incr_and_decr() {
    assert.equal(await incr(a, 1), false);
    await set(a, 10, 0);
    assert.equal(await incr(a, 5), 15);
    assert.equal(await decr(a, 6), 9);
    assert.equal(await decr(a, 100), 0);
  },

  async touch_and_expiry() {
    for (const name of ['short', 'touched']) await set(prefix + name, name, 2);
    await set(`${prefix}for_ever`, 'for_ever', 0);
    assert.equal(await touch(`${prefix}touched`, 100), true);
    assert.equal(await touch(`${prefix}missing`, 100), false);
    await sleep(3200);
    const found = await getMulti(['short', 'touched', 'for_ever'].map((name) => prefix + name));
    assert.deepEqual(Object.values(found).sort(), ['for_ever', 'touched']);
  },

  async multiget() {
    const names = Array.from({ length: 1000 }, (_, number) => `${prefix}key${number}`);
    for (const group of inGroupsOf(20, names.slice(0, 500))) await Promise.all(group.map((name) => set(name, name, 0)));
    for (let first = 0; first < names.length; first += 100) {
      const asked = names.slice(first, first + 100);
      const wanted = first < 500 ? Object.fromEntries(asked.map((name) => [name, name])) : {};
      assert.deepEqual({ ...await getMulti(asked) }, wanted);
    }
  },

  async many_requests_at_once() {
    for (const group of inGroupsOf(20, Array.from({ length: 1000 }, (_, number) => number))) { // as many as it has connections
      await Promise.all(group.map((number) => set(`${prefix}key${number}`, `value${number}`, 0)));
      const values = await Promise.all(group.map((number) => get(`${prefix}key${number}`)));
      assert.deepEqual(values, group.map((number) => `value${number}`));
    }
  },

  async values_of_every_length_and_byte() {
    for (const size of [1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288]) { // bytes above 127 travel as two
      const value = Buffer.alloc(size);
      for (let index = 0; index < size; ++index) value[index] = index * 7;
      assert.equal(await set(a, value, 0), true);
      assert.ok(value.equals(await get(a)), `${size} bytes`);
    }
  },

  async too_large_value() {
    await assert.rejects(set(a, 'x'.repeat(2 << 20), 0), /greater than/);
    const bold = connect({ maxValue: 10 << 20 }); // gives the server up after an error
    assert.equal(await promisify(bold.set).bind(bold)(a, 'x'.repeat(2 << 20), 0), false);
    bold.end();
    assert.equal(await get(a), undefined);
    assert.equal(await set(a, 'small', 0), true);
    assert.equal(await get(a), 'small');
  },

  async keys_of_250_bytes_and_unicode() {
    for (const name of ['k'.repeat(250 - prefix.length), '会话:用户', 'emoji-🦀', 'a.b/c?d=e&f#g%20']) {
      assert.equal(await set(prefix + name, name, 0), true);
      assert.equal(await get(prefix + name), name);
    }
  },

  async stats_and_version() {
    const [stats] = await call('stats')();
    assert.ok(stats.pid > 0);
    const [version] = await call('version')();
    assert.match(version.version, /^\d+\.\d+\.\d+/);
  },
};

scenarios[scenario]().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
