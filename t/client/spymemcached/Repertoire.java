// Repertoire.java - what Java programs do with spymemcached. See client_repertoire.py.
//
// usage: java Repertoire text|binary HOST PORT PREFIX SCENARIO

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.Future;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.CachedData;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.transcoders.SerializingTranscoder;
import net.spy.memcached.transcoders.Transcoder;

public final class Repertoire {
  private static MemcachedClient client;
  private static String prefix;
  private static boolean isBinary;

  private interface Scenario {
    void play() throws Exception;
  }

  /** Bytes and flags as they are. */
  private static final class Raw implements Transcoder<CachedData> {
    public boolean asyncDecode(CachedData data) { return false; }
    public CachedData encode(CachedData data) { return data; }
    public CachedData decode(CachedData data) { return data; }
    public int getMaxSize() { return 10 << 20; }
  }

  private static void expect(Object expected, Object got) {
    if (!Objects.equals(expected, got)) throw new AssertionError("expected " + shorten(expected) + ", got " + shorten(got));
  }

  private static String shorten(Object value) {
    String text = String.valueOf(value);
    return text.length() < 300 ? text : text.substring(0, 300) + "...";
  }

  private static boolean done(Future<Boolean> future) throws Exception { return future.get(); }

  private static String key(Object name) { return prefix + name; }

  private static CachedData bytes(byte[] value) { return new CachedData(0, value, 10 << 20); }

  private static void storeAndFetch() throws Exception {
    expect(null, client.get(key("a")));
    expect(true, done(client.set(key("a"), 0, "one")));
    expect("one", client.get(key("a")));
    expect(false, done(client.add(key("a"), 0, "two")));
    expect(true, done(client.replace(key("a"), 0, "three")));
    expect("three", client.get(key("a")));
    expect(false, done(client.replace(key("b"), 0, "one")));
    expect(true, done(client.add(key("b"), 0, "two")));
    expect(true, done(client.delete(key("a"))));
    expect(false, done(client.delete(key("a"))));
    expect(null, client.asyncGet(key("a")).get());
  }

  private static void objectsComeBackAsTheyWere() throws Exception {
    List<Object> values = Arrays.asList(0, -7, 1L << 40, 1.5, true, "", "Grüße 世界 🦀", new ArrayList<>(Arrays.asList(1, "two")), "compress me ".repeat(10000));
    for (Object value : values) {
      expect(true, done(client.set(key("a"), 0, value)));
      expect(value, client.get(key("a")));
    }
    Raw raw = new Raw();
    expect(true, done(client.set(key("b"), 0, new CachedData(0x12345678, new byte[] {0, 13, 10, -1}, 100), raw)));
    CachedData got = client.get(key("b"), raw);
    expect(0x12345678, got.getFlags());
    expect(true, Arrays.equals(new byte[] {0, 13, 10, -1}, got.getData()));
  }

  private static void appendAndPrepend() throws Exception {
    expect(false, done(client.append(key("a"), "!")));
    client.set(key("a"), 0, "b").get();
    expect(true, done(client.append(key("a"), "c")));
    expect(true, done(client.prepend(key("a"), "a")));
    expect("abc", client.get(key("a")));
  }

  private static void cas() throws Exception {
    expect(null, client.gets(key("a")));
    client.set(key("a"), 0, "one").get();
    CASValue<Object> seen = client.gets(key("a"));
    expect("one", seen.getValue());
    expect(CASResponse.OK, client.cas(key("a"), seen.getCas(), "two"));
    expect(CASResponse.EXISTS, client.cas(key("a"), seen.getCas(), "three"));
    expect("two", client.get(key("a")));
    client.delete(key("a")).get();
    expect(CASResponse.NOT_FOUND, client.cas(key("a"), seen.getCas(), "four"));
  }

  private static void incrAndDecr() throws Exception {
    expect(-1L, client.incr(key("a"), 1));
    expect(5L, client.incr(key("a"), 1, 5L));
    expect(15L, client.incr(key("a"), 10));
    expect(9L, client.decr(key("a"), 6));
    expect(0L, client.decr(key("a"), 100));
    expect(3L, client.incr(key("b"), 1, 3L, 100));
  }

  private static void touchGatAndExpiry() throws Exception {
    for (String name : Arrays.asList("short", "touched", "gat")) client.set(key(name), 2, name).get();
    client.set(key("for_ever"), 0, "for_ever").get();
    client.set(key("date"), (int) (System.currentTimeMillis() / 1000) + 100, "date").get();
    expect(true, done(client.touch(key("touched"), 100)));
    expect(false, done(client.touch(key("missing"), 100)));
    if (isBinary) { // it has no gat in text
      expect("gat", client.getAndTouch(key("gat"), 100).getValue());
      expect(null, client.getAndTouch(key("missing"), 100));
    } else {
      client.touch(key("gat"), 100).get();
    }
    Thread.sleep(3200);
    Map<String, Object> found = client.getBulk(key("short"), key("touched"), key("gat"), key("for_ever"), key("date"));
    expect("[date, for_ever, gat, touched]", new TreeSet<>(found.values()).toString());
  }

  private static void multiget() throws Exception {
    List<String> keys = new ArrayList<>();
    Map<String, Object> values = new HashMap<>();
    List<Future<Boolean>> sets = new ArrayList<>();
    for (int number = 0; number < 4000; ++number) {
      keys.add(key("key" + number));
      if (number % 2 == 0) {
        values.put(key("key" + number), "value" + number);
        sets.add(client.set(key("key" + number), 0, "value" + number));
      }
    }
    for (Future<Boolean> set : sets) expect(true, set.get());
    expect(values, client.getBulk(keys));
    expect(values, client.asyncGetBulk(keys).get());
  }

  private static void valuesOfEveryLengthAndByte() throws Exception {
    Raw raw = new Raw();
    for (int size : new int[] {0, 1, 255, 256, 1000, 8192, 16384, 65536, 131072, 524288, 1048000}) {
      byte[] value = new byte[size];
      for (int index = 0; index < size; ++index) value[index] = (byte) (index * 7);
      expect(true, done(client.set(key("a"), 0, bytes(value), raw)));
      expect(true, Arrays.equals(value, client.get(key("a"), raw).getData()));
    }
  }

  private static void tooLargeValue() throws Exception {
    byte[] noise = new byte[2 << 20];
    new Random(1).nextBytes(noise);
    boolean stored = true;
    try {
      stored = done(client.set(key("a"), 0, bytes(noise), new Raw()));
    } catch (Exception refused) {
      stored = false;
    }
    expect(false, stored);
    expect(null, client.get(key("a")));
    expect(true, done(client.set(key("a"), 0, "small")));
    expect("small", client.get(key("a")));
  }

  private static void keysOf250BytesAndUnicode() throws Exception {
    List<String> names = new ArrayList<>(Arrays.asList("k".repeat(250 - prefix.length()), "会话:用户", "emoji-🦀", "a.b/c?d=e&f#g%20"));
    for (String name : names) {
      expect(true, done(client.set(key(name), 0, name)));
      expect(name, client.get(key(name)));
    }
    try {
      client.set(key("k".repeat(251)), 0, "x");
      throw new AssertionError("a key of more than 250 bytes was taken");
    } catch (IllegalArgumentException refused) {
      expect(true, refused.getMessage().contains("too long"));
    }
  }

  private static void statsAndVersion() {
    Map<String, String> stats = client.getStats().values().iterator().next();
    expect(true, Integer.parseInt(stats.get("pid")) > 0);
    expect(true, client.getVersions().values().iterator().next().matches("\\d+\\.\\d+\\.\\d+.*"));
  }

  public static void main(String[] arguments) throws Exception {
    System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
    java.util.logging.LogManager.getLogManager().reset();
    isBinary = arguments[0].equals("binary");
    prefix = arguments[3] + "java:" + arguments[0] + ":" + arguments[4] + ":";
    SerializingTranscoder transcoder = new SerializingTranscoder(10 << 20);
    ConnectionFactoryBuilder builder = new ConnectionFactoryBuilder()
        .setProtocol(isBinary ? ConnectionFactoryBuilder.Protocol.BINARY : ConnectionFactoryBuilder.Protocol.TEXT)
        .setOpTimeout(20000).setTranscoder(transcoder);
    client = new MemcachedClient(builder.build(), Arrays.asList(new InetSocketAddress(arguments[1], Integer.parseInt(arguments[2]))));
    Map<String, Scenario> scenarios = new HashMap<>();
    scenarios.put("store_and_fetch", Repertoire::storeAndFetch);
    scenarios.put("objects_come_back_as_they_were", Repertoire::objectsComeBackAsTheyWere);
    scenarios.put("append_and_prepend", Repertoire::appendAndPrepend);
    scenarios.put("cas", Repertoire::cas);
    scenarios.put("incr_and_decr", Repertoire::incrAndDecr);
    scenarios.put("touch_gat_and_expiry", Repertoire::touchGatAndExpiry);
    scenarios.put("multiget", Repertoire::multiget);
    scenarios.put("values_of_every_length_and_byte", Repertoire::valuesOfEveryLengthAndByte);
    scenarios.put("too_large_value", Repertoire::tooLargeValue);
    scenarios.put("keys_of_250_bytes_and_unicode", Repertoire::keysOf250BytesAndUnicode);
    scenarios.put("stats_and_version", Repertoire::statsAndVersion);
    try {
      scenarios.get(arguments[4]).play();
    } catch (Throwable wrong) {
      wrong.printStackTrace();
      System.exit(1);
    }
    System.exit(0);
  }
}
