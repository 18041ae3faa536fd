# repertoire.pl - what Perl programs do with Cache::Memcached and Cache::Memcached::Fast. See client_repertoire.py.
#
# usage: perl repertoire.pl MODULE HOST PORT PREFIX SCENARIO
#        perl repertoire.pl MODULE groups HOST:PORT HOST:PORT HOST:PORT

use strict;
use warnings;
use utf8;
use Carp;
use Encode ();

my ($module, @arguments) = @ARGV;
(my $file = "$module.pm") =~ s{::}{/}g;
require $file;
my $is_fast = $module =~ /Fast/;

sub expect {
    my ($expected, $got) = @_;
    my ($left, $right) = map { defined ? $_ : '(undef)' } $expected, $got;
    return if $left eq $right;
    my $line = (caller)[2];
    Encode::_utf8_off($_) for $left, $right;
    die sprintf "line %d: expected %.300s, got %.300s\n", $line, $left, $right;
}

sub expect_true  { $_[0]  or die sprintf "line %d: not so\n", (caller)[2] }
sub expect_false { !$_[0] or die sprintf "line %d: should not be so\n", (caller)[2] }

# A master key is a number beside the key. Only Cache::Memcached has them.
if ($arguments[0] eq 'groups') {
    my $client = $module->new({ servers => [ @arguments[ 1 .. 3 ] ] });
    for my $group (0 .. 39) {
        expect_true($client->set([ $group, "g:$group:$_" ], "g:$group:$_")) for 0 .. 9;
        my $found = $client->get_multi(map { [ $group, "g:$group:$_" ] } 0 .. 19);
        expect(10, scalar keys %$found);
        expect("g:$group:$_", $found->{"g:$group:$_"}) for 0 .. 9;
        expect("g:$group:3", $client->get([ $group, "g:$group:3" ]));
        expect_true($client->set([ $group, 'n' ], 5));
        expect(7, $client->incr([ $group, 'n' ], 2));
        expect_true($client->append([ $group, 'n' ], '1'));
        expect(71, $client->get([ $group, 'n' ]));
        expect_true($client->delete([ $group, 'n' ]));
    }
    exit 0;
}

my ($host, $port, $own_prefix, $scenario) = @arguments;
my $prefix  = "${own_prefix}perl:$scenario:";
my $timeout = $is_fast ? { io_timeout => 20, max_size => 10 << 20, utf8 => 1 } : { select_timeout => 20 };
my $client  = $module->new({ servers => ["$host:$port"], namespace => $prefix, compress_threshold => 100_000_000, %$timeout });
my $bytes   = join '', map { chr } 0 .. 255;

my %scenarios = (
    store_and_fetch => sub {
        expect(undef, $client->get('a'));
        expect_true($client->set('a', 'one'));
        expect('one', $client->get('a'));
        expect_false($client->add('a', 'two'));
        expect_true($client->replace('a', 'three'));
        expect('three', $client->get('a'));
        expect_false($client->replace('b', 'one'));
        expect_true($client->add('b', 'two'));
        expect_true($client->delete('a'));
        expect_false($client->delete('a'));
        expect(undef, $client->get('a'));
    },
    objects_come_back_as_they_were => sub {
        expect_true($client->set('a', { list => [ 1, 'two', { three => 3 } ] }));
        expect(3, $client->get('a')->{list}[2]{three});
        $client->enable_compress(1);
        my $compressing = $module->new({ servers => ["$host:$port"], namespace => $prefix, compress_threshold => 1000, %$timeout });
        my $text = 'compress me ' x 10_000;
        expect_true($compressing->set('b', $text));
        expect($text, $compressing->get('b'));
    },
    append_and_prepend => sub {
        expect_false($client->append('a', '!'));
        expect_false($client->prepend('a', '!'));
        expect_true($client->set('a', 'b'));
        expect_true($client->append('a', 'c'));
        expect_true($client->prepend('a', 'a'));
        expect('abc', $client->get('a'));
    },
    incr_and_decr => sub {
        expect_false($client->incr('a', 1));
        $client->set('a', 10);
        expect(15, $client->incr('a', 5));
        expect(16, $client->incr('a'));
        expect(9,  $client->decr('a', 7));
        expect(0,  $client->decr('a', 100) + 0);
        $client->set('a', 'ten');
        expect_false($client->incr('a', 1));
    },
    cas => sub {
        expect(undef, $client->gets('a'));
        $client->set('a', 'one');
        my $seen = $client->gets('a');
        expect('one', $seen->[1]);
        expect_true($client->cas('a', $seen->[0], 'two'));
        expect_false($client->cas('a', $seen->[0], 'three'));
        expect('two', $client->get('a'));
        my $all = $client->gets_multi('a', 'b');
        expect(1, scalar keys %$all);
        my $results = $client->cas_multi([ 'a', $all->{a}[0], 'four' ], [ 'b', 1, 'x' ]);
        expect_true($results->{a});
        expect_false($results->{b});
    },
    touch_gat_and_expiry => sub {
        $client->set($_, $_, 2) for qw(short touched gat gats);
        $client->set('for_ever', 'for_ever');
        $client->set('date', 'date', time + 100);
        expect_true($client->touch('touched', 100));
        expect_false($client->touch('missing', 100));
        expect('gat',  $client->gat(100, 'gat'));
        expect('gats', $client->gats(100, 'gats')->[1]);
        expect(undef, $client->gat(100, 'missing'));
        my $touched = $client->gat_multi(100, 'gat', 'missing');
        expect(1, scalar keys %$touched);
        select undef, undef, undef, 3.2;
        my $found = $client->get_multi(qw(short touched gat gats for_ever date));
        expect('date for_ever gat gats touched', join ' ', sort keys %$found);
    },
    expiry => sub {
        $client->set('short', 'short', 2);
        $client->set('for_ever', 'for_ever');
        $client->set('date', 'date', time + 100);
        select undef, undef, undef, 3.2;
        my $found = $client->get_multi(qw(short for_ever date));
        expect('date for_ever', join ' ', sort keys %$found);
    },
    multiget => sub {
        expect_true($client->set("key$_", "value$_")) for 0 .. 1999;
        my $found = $client->get_multi(map { "key$_" } 0 .. 3999);
        expect(2000, scalar keys %$found);
        expect("value$_", $found->{"key$_"}) for 0 .. 1999;
    },
    commands_for_many_keys => sub {
        my $results = $client->set_multi(map { [ "key$_", "value$_" ] } 0 .. 999);
        expect(1000, scalar grep { $_ } values %$results);
        $results = $client->add_multi([ 'key1', 'x' ], [ 'new', 1 ]);
        expect_false($results->{key1});
        expect_true($results->{new});
        $results = $client->incr_multi([ 'new', 2 ], ['none']);
        expect(3, $results->{new});
        $results = $client->delete_multi(map { "key$_" } 0 .. 1099);
        expect(1000, scalar grep { $_ } values %$results);
    },
    without_waiting => sub {
        my $quick = $module->new({ servers => ["$host:$port"], namespace => $prefix, nowait => 1, %$timeout });
        $quick->set("key$_", $_) for 0 .. 999;
        $quick->append('key0', '!');
        $quick->delete("key$_") for 500 .. 999;
        $quick->nowait_push;
        my $found = $client->get_multi(map { "key$_" } 0 .. 999);
        expect(500, scalar keys %$found);
        expect('0!', $found->{key0});
    },
    values_of_every_length_and_byte => sub {
        for my $size (0 .. 299, 1000, 8192, 16_384, 65_536, 131_072, 524_288, 1_048_000) {
            my $value = substr $bytes x ($size / 256 + 1), 0, $size;
            expect_true($client->set('a', $value));
            expect_true($client->get('a') eq $value);
        }
    },
    too_large_value => sub {
        expect_false($client->set('a', 'x' x (2 << 20)));
        expect(undef, $client->get('a'));
        expect_true($client->set('a', 'small'));
        expect('small', $client->get('a'));
    },
    keys_of_250_bytes_and_unicode => sub {
        my @names = ('k' x (250 - length $prefix), Encode::encode_utf8('会话:用户'), Encode::encode_utf8('emoji-🦀'), 'a.b/c?d=e&f#g%20');
        expect_true($client->set($_, $_)) for @names;
        expect($_, $client->get($_)) for @names;
    },
    unicode_values => sub {
        my $text = 'Grüße, мир, 世界 🦀';
        expect_true($client->set('a', $is_fast ? $text : Encode::encode_utf8($text)));
        expect($text, $is_fast ? $client->get('a') : Encode::decode_utf8($client->get('a')));
    },
    stats => sub {
        my $stats = $client->stats(['misc']);
        expect_true($stats->{hosts}{"$host:$port"}{misc}{pid} > 0);
    },
    versions => sub {
        expect_true($client->server_versions->{"$host:$port"} =~ /^\d+\.\d+\.\d+/);
    },
);

$scenarios{$scenario}->();
