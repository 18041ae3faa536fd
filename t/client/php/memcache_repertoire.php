<?php
// memcache_repertoire.php - what PHP programs do with the older extension's class Memcache. See client_repertoire.py.
//
// usage: php -d memcache.hash_strategy=... memcache_repertoire.php HOST PORT PREFIX SCENARIO

[, $host, $port, $prefix, $scenario] = $argv;

function expect(mixed $expected, mixed $got): void
{
    if ($expected !== $got) {
        $line = debug_backtrace()[0]['line'];
        fwrite(STDERR, "line $line: expected " . substr(var_export($expected, true), 0, 500) . ', got ' .
            substr(var_export($got, true), 0, 500) . "\n");
        exit(1);
    }
}

$client = new Memcache();
expect(true, $client->addServer($host, (int) $port, false, 1, 20));
$prefix = "{$prefix}pecl:$scenario:";

$scenarios = [
    'store_and_fetch' => function () use ($client, $prefix): void {
        expect(false, $client->get("{$prefix}a"));
        expect(true, $client->set("{$prefix}a", 'one'));
        expect('one', $client->get("{$prefix}a"));
        expect(false, $client->add("{$prefix}a", 'two'));
        expect(true, $client->replace("{$prefix}a", 'three'));
        expect('three', $client->get("{$prefix}a"));
        expect(false, $client->replace("{$prefix}b", 'one'));
        expect(true, $client->add("{$prefix}b", 'two'));
        expect(true, $client->delete("{$prefix}a"));
        expect(false, $client->delete("{$prefix}a"));
        expect(false, $client->get("{$prefix}a"));
    },
    'types_come_back_as_they_were' => function () use ($client, $prefix): void {
        $values = [0, 42, -7, 1.5, true, false, '', 'text', [1, 'two' => [3]], (object) ['a' => 1]];
        foreach ($values as $number => $value) {
            expect(true, $client->set("$prefix$number", $value));
        }
        foreach ($values as $number => $value) {
            expect(var_export($value, true), var_export($client->get("$prefix$number"), true));
        }
        $long = str_repeat('compress me ', 10000);
        expect(true, $client->set("{$prefix}long", $long, MEMCACHE_COMPRESSED));
        expect($long, $client->get("{$prefix}long"));
    },
    'append_and_prepend' => function () use ($client, $prefix): void {
        expect(false, $client->append("{$prefix}a", '!'));
        $client->set("{$prefix}a", 'b');
        expect(true, $client->append("{$prefix}a", 'c'));
        expect(true, $client->prepend("{$prefix}a", 'a'));
        expect('abc', $client->get("{$prefix}a"));
    },
    'cas' => function () use ($client, $prefix): void {
        $client->set("{$prefix}a", 'one');
        $flags = $token = null;
        expect('one', $client->get("{$prefix}a", $flags, $token));
        expect(true, $client->cas("{$prefix}a", 'two', 0, 0, $token));
        expect(false, $client->cas("{$prefix}a", 'three', 0, 0, $token));
        expect('two', $client->get("{$prefix}a"));
    },
    'incr_and_decr' => function () use ($client, $prefix): void {
        expect(false, $client->increment("{$prefix}a"));
        $client->set("{$prefix}a", 10);
        expect(15, $client->increment("{$prefix}a", 5));
        expect(9, $client->decrement("{$prefix}a", 6));
        expect(0, $client->decrement("{$prefix}a", 100));
    },
    'expiry' => function () use ($client, $prefix): void {
        $client->set("{$prefix}short", '1', 0, 2);
        $client->set("{$prefix}for_ever", '2', 0, 0);
        $client->set("{$prefix}date", '3', 0, time() + 100);
        usleep(3200000);
        expect(["{$prefix}for_ever" => '2', "{$prefix}date" => '3'], $client->get(["{$prefix}short", "{$prefix}for_ever", "{$prefix}date"]));
    },
    'multiget' => function () use ($client, $prefix): void {
        $values = [];
        for ($number = 0; $number < 2000; ++$number) {
            $values["{$prefix}key$number"] = "value$number";
        }
        foreach ($values as $key => $value) {
            expect(true, $client->set($key, $value));
        }
        $keys = array_keys($values);
        for ($number = 2000; $number < 4000; ++$number) {
            $keys[] = "{$prefix}key$number";
        }
        $found = $client->get($keys);
        ksort($found);
        ksort($values);
        expect($values, $found);
        expect(true, $client->set(["{$prefix}x" => 1, "{$prefix}y" => 2]));
        expect(3, $client->increment("{$prefix}y"));
    },
    'flags_come_back' => function () use ($client, $prefix): void {
        expect(true, $client->set("{$prefix}a", 'one', 1 << 16));
        $flags = null;
        expect('one', $client->get("{$prefix}a", $flags));
        expect(1 << 16, $flags & (1 << 16));
    },
    'values_of_every_length_and_byte' => function () use ($client, $prefix): void {
        $bytes = implode('', array_map('chr', range(0, 255)));
        foreach ([0, 1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288, 1048000] as $size) {
            $value = substr(str_repeat($bytes, intdiv($size, 256) + 1), 0, $size);
            expect(true, $client->set("{$prefix}a", $value));
            expect(md5($value), md5($client->get("{$prefix}a")));
        }
    },
    'too_large_value' => function () use ($client, $prefix): void {
        expect(false, @$client->set("{$prefix}a", random_bytes(2 << 20)));
        expect(false, $client->get("{$prefix}a"));
        expect(true, $client->set("{$prefix}a", 'small'));
        expect('small', $client->get("{$prefix}a"));
    },
    'keys_of_250_bytes_and_unicode' => function () use ($client, $prefix): void {
        foreach ([str_repeat('k', 250 - strlen($prefix)), '会话:用户', 'emoji-🦀', 'a.b/c?d=e&f#g%20'] as $name) {
            expect(true, $client->set($prefix . $name, $name));
            expect($name, $client->get($prefix . $name));
        }
    },
    'stats_and_version' => function () use ($client): void {
        expect(true, $client->getStats()['pid'] > 0);
        expect(1, preg_match('/^\d+\.\d+\.\d+/', $client->getVersion()));
    },
];

$scenarios[$scenario]();
