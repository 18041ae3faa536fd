# repertoire.rb - what Ruby programs do with dalli. See client_repertoire.py.
#
# usage: ruby repertoire.rb HOST PORT PREFIX SCENARIO

require 'dalli'
require 'securerandom'

host, port, prefix, scenario = ARGV

Dalli.logger.level = Logger::ERROR
NAMESPACE = "#{prefix}dalli:#{scenario}".freeze
CLIENT = Dalli::Client.new("#{host}:#{port}", namespace: NAMESPACE, socket_timeout: 20)

def expect(expected, got)
  return if expected == got

  abort "#{caller(1..1).first}: expected #{expected.inspect[0, 500]}, got #{got.inspect[0, 500]}"
end

def expect_error(error)
  yield
  abort "#{caller(1..1).first}: no #{error}"
rescue error
  nil
end

SCENARIOS = {
  'store_and_fetch' => lambda {
    expect nil, CLIENT.get('a')
    expect true, CLIENT.set('a', 'one').is_a?(Integer)
    expect 'one', CLIENT.get('a')
    expect false, CLIENT.add('a', 'two')
    expect true, CLIENT.replace('a', 'three').is_a?(Integer)
    expect 'three', CLIENT.get('a')
    CLIENT.replace('b', 'one')
    expect nil, CLIENT.get('b')
    expect true, CLIENT.add('b', 'two').is_a?(Integer)
    expect true, CLIENT.delete('a')
    expect false, CLIENT.delete('a') || false # nil before 3.1
    expect nil, CLIENT.get('a')
    expect 'made', CLIENT.fetch('c') { 'made' }
    expect 'made', CLIENT.fetch('c') { 'again' }
  },
  'objects_come_back_as_they_were' => lambda {
    values = [0, -7, 2**70, 1.5, true, nil, '', 'Grüße 世界', :symbol, [1, { two: [3] }], Time.at(0), 'compress me ' * 10_000]
    values.each_with_index { |value, number| CLIENT.set("a#{number}", value) }
    values.each_with_index { |value, number| expect value, CLIENT.get("a#{number}") }
  },
  'append_and_prepend' => lambda {
    expect false, CLIENT.append('a', '!')
    CLIENT.set('a', 'b', 0, raw: true)
    expect true, CLIENT.append('a', 'c')
    expect true, CLIENT.prepend('a', 'a')
    expect 'abc', CLIENT.get('a', raw: true)
  },
  'cas' => lambda {
    expect nil, CLIENT.cas('a') { 'never' }
    CLIENT.set('a', 1)
    expect true, CLIENT.cas('a') { |value| value + 1 }.is_a?(Integer)
    expect 2, CLIENT.get('a')
    # Somebody else is quicker.
    expect false, CLIENT.cas('a') { |value| CLIENT.set('a', 10) && value + 1 }
    expect 10, CLIENT.get('a')
    value, token = CLIENT.get_cas('a')
    expect 10, value
    expect true, CLIENT.set_cas('a', 11, token).is_a?(Integer)
    expect false, CLIENT.set_cas('a', 12, token)
    expect false, CLIENT.delete_cas('a', token)
    _, token = CLIENT.get_cas('a')
    expect true, CLIENT.delete_cas('a', token)
  },
  'incr_and_decr' => lambda {
    expect nil, CLIENT.incr('a')
    expect 5, CLIENT.incr('a', 1, 0, 5)
    expect 15, CLIENT.incr('a', 10)
    expect 9, CLIENT.decr('a', 6)
    expect 0, CLIENT.decr('a', 100)
    CLIENT.set('a', ((1 << 64) - 1).to_s, 0, raw: true)
    expect 0, CLIENT.incr('a', 1)
  },
  'touch_gat_and_expiry' => lambda {
    %w[short touched gat].each { |key| CLIENT.set(key, key, 2) }
    CLIENT.set('for_ever', 'for_ever', 0)
    CLIENT.set('date', 'date', Time.now.to_i + 100)
    expect true, CLIENT.touch('touched', 100)
    expect nil, CLIENT.touch('missing', 100)
    expect 'gat', CLIENT.gat('gat', 100)
    expect nil, CLIENT.gat('missing', 100)
    sleep 3.2
    found = CLIENT.get_multi('short', 'touched', 'gat', 'for_ever', 'date')
    expect %w[date for_ever gat touched], found.keys.sort
  },
  'multiget' => lambda {
    values = (0...2000).to_h { |number| ["key#{number}", "value#{number}"] }
    values.each { |key, value| CLIENT.set(key, value) }
    expect values, CLIENT.get_multi((0...4000).map { |number| "key#{number}" })
    expect 2000, CLIENT.get_multi_cas(values.keys).count { |_, (_, token)| token.positive? }
  },
  'quiet_writes' => lambda {
    CLIENT.public_send(CLIENT.respond_to?(:quiet) ? :quiet : :multi) do # the name changed in 3.1
      1000.times { |number| CLIENT.set("key#{number}", number) }
      500.times { |number| CLIENT.delete("key#{number}") }
    end
    expect nil, CLIENT.get('key499')
    expect 999, CLIENT.get('key999')
    expect 500, CLIENT.get_multi((0...1000).map { |number| "key#{number}" }).size
  },
  'values_of_every_length_and_byte' => lambda {
    bytes = (0..255).to_a.pack('C*')
    [0, 1, 255, 256, 1000, 8192, 16_384, 65_536, 131_072, 524_288, 1_048_000].each do |size|
      value = (bytes * (size / 256 + 1))[0, size]
      expect true, CLIENT.set('a', value, 0, raw: true).is_a?(Integer)
      expect true, CLIENT.get('a', raw: true).b == value
    end
  },
  'too_large_value' => lambda {
    noise = SecureRandom.random_bytes(2 << 20) # what compresses well would fit
    expect_error(Dalli::ValueOverMaxSize) { CLIENT.set('a', noise, 0, raw: true) }
    roomy = Dalli::Client.new(CLIENT.instance_variable_get(:@servers), namespace: NAMESPACE, value_max_bytes: 10 << 20)
    expect_error(Dalli::DalliError) { roomy.set('a', noise, 0, raw: true) }
    expect nil, roomy.get('a')
    roomy.set('a', 'small')
    expect 'small', roomy.get('a')
  },
  'keys_of_250_bytes_and_unicode' => lambda {
    longest = 'k' * (250 - NAMESPACE.bytesize - 1)
    names = [longest, '会话:用户', 'emoji-🦀', 'a.b/c?d=e&f#g%20']
    names.each { |name| CLIENT.set(name, name) }
    names.each { |name| expect name, CLIENT.get(name) }
    CLIENT.set("#{longest}#{longest}", 'cut and hashed')
    expect 'cut and hashed', CLIENT.get("#{longest}#{longest}")
  },
  'stats_and_version' => lambda {
    expect true, CLIENT.stats.values.first['pid'].to_i.positive?
    expect true, CLIENT.version.values.first.match?(/\A\d+\.\d+\.\d+/)
    expect true, CLIENT.alive!.nil? || true
  }
}.freeze

SCENARIOS.fetch(scenario).call
