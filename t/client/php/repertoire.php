<?php
// repertoire.php - what PHP programs do with the class Memcached. See client_repertoire.py.
//
// usage: php repertoire.php text|binary HOST PORT PREFIX SCENARIO

[, $protocol, $host, $port, $prefix, $scenario] = $argv;

function expect(mixed $expected, mixed $got): void
{
    global $client;
    if ($expected !== $got) {
        $line = debug_backtrace()[0]['line'];
        fwrite(STDERR, "line $line: expected " . substr(var_export($expected, true), 0, 500) . ', got ' .
            substr(var_export($got, true), 0, 500) . ", result {$client->getResultCode()} {$client->getResultMessage()}\n");
        exit(1);
    }
}

$binary = $protocol === 'binary';
$client = new Memcached();
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
$client->setOption(Memcached::OPT_PREFIX_KEY, "$prefix$protocol:$scenario:");
$client->setOption(Memcached::OPT_COMPRESSION, false);
$client->setOption(Memcached::OPT_POLL_TIMEOUT, 20000);
$client->addServer($host, (int) $port);

$scenarios = [
    'store_and_fetch' => function () use ($client, $binary): void {
        expect(false, $client->get('a'));
        expect(Memcached::RES_NOTFOUND, $client->getResultCode());
        expect(true, $client->set('a', 'one'));
        expect('one', $client->get('a'));
        expect(false, $client->add('a', 'two'));
        expect($binary ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED, $client->getResultCode());
        expect(true, $client->replace('a', 'three'));
        expect('three', $client->get('a'));
        expect(false, $client->replace('b', 'one'));
        expect(true, $client->add('b', 'two'));
        expect(true, $client->delete('a'));
        expect(false, $client->delete('a'));
        expect(false, $client->get('a'));
    },
    'types_come_back_as_they_were' => function () use ($client): void {
        $values = [0, 42, -7, 1.5, true, false, null, '', 'text', [1, 'two' => [3]], (object) ['a' => 1]];
        foreach ($values as $number => $value) {
            expect(true, $client->set("a$number", $value));
        }
        foreach ($values as $number => $value) {
            expect(var_export($value, true), var_export($client->get("a$number"), true));
        }
        $client->setOption(Memcached::OPT_COMPRESSION, true);
        $long = str_repeat('compress me ', 10000);
        expect(true, $client->set('long', $long));
        expect($long, $client->get('long'));
    },
    'append_and_prepend' => function () use ($client): void {
        expect(false, $client->append('a', '!'));
        $client->set('a', 'b');
        expect(true, $client->append('a', 'c'));
        expect(true, $client->prepend('a', 'a'));
        expect('abc', $client->get('a'));
    },
    'cas' => function () use ($client): void {
        $client->set('a', 'one');
        $seen = $client->get('a', null, Memcached::GET_EXTENDED);
        expect('one', $seen['value']);
        expect(true, $client->cas($seen['cas'], 'a', 'two'));
        expect(false, $client->cas($seen['cas'], 'a', 'three'));
        expect(Memcached::RES_DATA_EXISTS, $client->getResultCode());
        expect('two', $client->get('a'));
        expect(false, $client->cas($seen['cas'], 'b', 'one'));
        expect(Memcached::RES_NOTFOUND, $client->getResultCode());
    },
    'incr_and_decr' => function () use ($client, $binary): void {
        expect(false, $client->increment('a'));
        $client->set('a', 10);
        expect(15, $client->increment('a', 5));
        expect(9, $client->decrement('a', 6));
        expect(0, $client->decrement('a', 100));
        expect(0, $client->get('a'));
        if ($binary) {
            expect(41, $client->increment('b', 1, 41));
            expect(42, $client->increment('b', 1, 41));
            expect(7, $client->decrement('c', 1, 7));
        }
    },
    'touch_and_expiry' => function () use ($client): void {
        $client->set('short', 1, 2);
        $client->set('touched', 1, 2);
        $client->set('for_ever', 1, 0);
        $client->set('date', 1, time() + 100);
        expect(true, $client->touch('touched', 100));
        expect(false, $client->touch('missing', 100));
        usleep(3200000);
        expect(['touched' => 1, 'for_ever' => 1, 'date' => 1], $client->getMulti(['short', 'touched', 'for_ever', 'date']));
    },
    'multiget' => function () use ($client): void {
        $values = [];
        for ($number = 0; $number < 2000; ++$number) {
            $values["key$number"] = "value$number";
        }
        expect(true, $client->setMulti($values));
        $keys = array_keys($values);
        for ($number = 2000; $number < 4000; ++$number) {
            $keys[] = "key$number";
        }
        $found = $client->getMulti($keys);
        ksort($found);
        ksort($values);
        expect($values, $found);
        $inOrder = $client->getMulti(['key7', 'missing', 'key3'], Memcached::GET_PRESERVE_ORDER);
        expect(['key7' => 'value7', 'missing' => null, 'key3' => 'value3'], $inOrder);
        $deleted = $client->deleteMulti(['key1', 'missing']);
        expect(['key1' => true, 'missing' => Memcached::RES_NOTFOUND], $deleted);
    },
    'delayed_fetch' => function () use ($client): void {
        $client->setMulti(['a' => 'one', 'b' => 'two']);
        expect(true, $client->getDelayed(['a', 'b', 'c'], true));
        $found = $client->fetchAll();
        sort($found);
        expect(['a', 'b'], array_column($found, 'key'));
        expect(['one', 'two'], array_column($found, 'value'));
    },
    'group_keys' => function () use ($client): void {
        expect(true, $client->setByKey('group', 'a', 'one'));
        expect(true, $client->appendByKey('group', 'a', '!'));
        expect('one!', $client->getByKey('group', 'a'));
        expect(true, $client->deleteByKey('group', 'a'));
    },
    'values_of_every_length_and_byte' => function () use ($client): void {
        $bytes = '';
        for ($byte = 0; $byte < 256; ++$byte) {
            $bytes .= chr($byte);
        }
        foreach ([0, 1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288, 1048000] as $size) {
            $value = substr(str_repeat($bytes, intdiv($size, 256) + 1), 0, $size);
            expect(true, $client->set('a', $value));
            expect(md5($value), md5($client->get('a')));
        }
    },
    'too_large_value' => function () use ($client): void {
        expect(false, $client->set('a', str_repeat('x', 2 << 20)));
        expect(Memcached::RES_E2BIG, $client->getResultCode());
        expect(false, $client->get('a'));
        expect(true, $client->set('a', 'small'));
        expect('small', $client->get('a'));
    },
    'keys_of_250_bytes_and_unicode' => function () use ($client, $binary): void {
        $longest = str_repeat('k', 250 - strlen($client->getOption(Memcached::OPT_PREFIX_KEY)));
        $names = [$longest, 'a.b/c?d=e&f#g%20'];
        if ($binary) { // the extension lets none into the text protocol
            array_push($names, '会话:用户', 'emoji-🦀');
        }
        foreach ($names as $name) {
            expect(true, $client->set($name, $name));
        }
        foreach ($names as $name) {
            expect($name, $client->get($name));
        }
        expect(false, $client->set($longest . 'k', 'x'));
    },
    'without_replies_and_buffered' => function () use ($client): void {
        $client->setOption(Memcached::OPT_NOREPLY, true);
        for ($number = 0; $number < 1000; ++$number) {
            $client->set('a', (string) $number);
        }
        $client->append('a', '!');
        $client->setOption(Memcached::OPT_NOREPLY, false);
        expect('999!', $client->get('a'));
        $client->setOption(Memcached::OPT_BUFFER_WRITES, true);
        for ($number = 0; $number < 100; ++$number) {
            $client->set("b$number", $number);
        }
        $client->flushBuffers();
        expect(99, $client->get('b99'));
    },
    'stats_and_version' => function () use ($client, $host, $port): void {
        $stats = $client->getStats()["$host:$port"];
        expect(true, $stats['pid'] > 0 && $stats['threads'] > 0);
        expect(1, preg_match('/^\d+\.\d+\.\d+$/', $client->getVersion()["$host:$port"]));
    },
];

$scenarios[$scenario]();
