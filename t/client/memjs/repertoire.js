// repertoire.js - what Node programs do with memjs. See client_repertoire.py.
//
// usage: node repertoire.js HOST PORT PREFIX SCENARIO

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const memjs = require('memjs');

const [host, port, ownPrefix, scenario] = process.argv.slice(2);
const prefix = `${ownPrefix}memjs:${scenario}:`;
const client = memjs.Client.create(`${host}:${port}`, { timeout: 20, retries: 1 });

const get = async (key) => (await client.get(prefix + key)).value;
const getText = async (key) => {
  const value = await get(key);
  return value === null ? null : value.toString();
};

const scenarios = {
  async store_and_fetch() {
    assert.equal(await get('a'), null);
    assert.equal(await client.set(`${prefix}a`, 'one', {}), true);
    assert.equal(await getText('a'), 'one');
    assert.equal(await client.add(`${prefix}a`, 'two', {}), false);
    assert.equal(await client.replace(`${prefix}a`, 'three', {}), true);
    assert.equal(await getText('a'), 'three');
    assert.equal(await client.replace(`${prefix}b`, 'one', {}), false);
    assert.equal(await client.add(`${prefix}b`, 'two', {}), true);
    assert.equal(await client.delete(`${prefix}a`), true);
    assert.equal(await client.delete(`${prefix}a`), false);
    assert.equal(await get('a'), null);
  },

  async append() { // no prepend: memjs 1.3.2 sends the opcode of append for it
    await assert.rejects(client.append(`${prefix}a`, '!'), /not stored/);
    await client.set(`${prefix}a`, 'b', {});
    assert.equal(await client.append(`${prefix}a`, 'c'), true);
    assert.equal(await getText('a'), 'bc');
  },

  async incr_and_decr() {
    assert.equal((await client.increment(`${prefix}a`, 1, { initial: 5 })).value, 5);
    assert.equal((await client.increment(`${prefix}a`, 10, {})).value, 15);
    assert.equal((await client.decrement(`${prefix}a`, 6, {})).value, 9);
    assert.equal((await client.decrement(`${prefix}a`, 100, {})).value, 0);
    assert.equal(Number(await getText('a')), 0);
  },

  async touch_and_expiry() {
    await client.set(`${prefix}short`, '1', { expires: 2 });
    await client.set(`${prefix}touched`, '1', { expires: 2 });
    await client.set(`${prefix}for_ever`, '1', { expires: 0 });
    assert.equal(await client.touch(`${prefix}touched`, 100), true);
    assert.equal(await client.touch(`${prefix}missing`, 100), false);
    await sleep(3200);
    assert.equal(await get('short'), null);
    assert.equal(await getText('touched'), '1');
    assert.equal(await getText('for_ever'), '1');
  },

  async many_requests_at_once() {
    const numbers = Array.from({ length: 1000 }, (_, number) => number);
    await Promise.all(numbers.map((number) => client.set(`${prefix}key${number}`, `value${number}`, {})));
    const values = await Promise.all([...numbers, 1000, 1001].map((number) => getText(`key${number}`)));
    assert.deepEqual(values, [...numbers.map((number) => `value${number}`), null, null]);
  },

  async values_of_every_length_and_byte() {
    for (const size of [0, 1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288, 1048000]) {
      const value = Buffer.alloc(size);
      for (let index = 0; index < size; ++index) value[index] = index * 7;
      assert.equal(await client.set(`${prefix}a`, value, {}), true);
      assert.ok(value.equals(await get('a')), `${size} bytes`);
    }
  },

  async too_large_value() {
    await assert.rejects(client.set(`${prefix}a`, Buffer.alloc(2 << 20), {}));
    assert.equal(await get('a'), null);
    assert.equal(await client.set(`${prefix}a`, 'small', {}), true);
    assert.equal(await getText('a'), 'small');
  },

  async keys_of_250_bytes_and_unicode() {
    const longest = 'k'.repeat(250 - prefix.length);
    const names = [longest, '会话:用户', 'emoji-🦀', 'a.b/c?d=e&f#g%20'];
    for (const name of names) assert.equal(await client.set(prefix + name, name, {}), true);
    for (const name of names) assert.equal(await getText(name), name);
    await assert.rejects(client.set(`${prefix}${longest}k`, 'x', {}));
    assert.equal(await getText(longest), longest);
  },

  async flags_come_back() {
    await client.set(`${prefix}a`, 'text', {});
    const { value, flags } = await client.get(`${prefix}a`);
    assert.equal(value.toString(), 'text');
    assert.equal(flags.readUInt32BE(0), 0);
  },

  async stats() {
    const stats = await new Promise((resolve, reject) => {
      client.stats((error, server, found) => (error ? reject(error) : resolve(found)));
    });
    assert.ok(Number(stats.pid) > 0);
  },
};

scenarios[scenario]().then(() => client.close(), (error) => {
  console.error(error.stack ?? error);
  process.exit(1);
});
