/* repertoire.c - what programs do with libmemcached. See client_repertoire.py.
 *
 * usage: repertoire text|binary HOST PORT PREFIX SCENARIO
 */

#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

#define EXPECT_RESULT(expected, call)                                                                            \
  do {                                                                                                           \
    memcached_return_t returned_ = (call);                                                                       \
    if (returned_ != (expected)) {                                                                               \
      fprintf(stderr, "line %d: %s: expected %s, got %s\n", __LINE__, #call, memcached_strerror(NULL, expected), \
              memcached_strerror(NULL, returned_));                                                              \
      exit(1);                                                                                                   \
    }                                                                                                            \
  } while (0)

enum { kMegabyte = 1 << 20 };

static memcached_st* client;
static int is_binary;
static const char* prefix;

static void UseServer(memcached_st* memcached, const char* host, const char* port) {
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, (uint64_t)is_binary);
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
  memcached_behavior_set(memcached, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 20000);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_server_add(memcached, host, (in_port_t)atoi(port)));
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_callback_set(memcached, MEMCACHED_CALLBACK_NAMESPACE, prefix));
}

/* The result of storing with the given function of the library. */
#define STORE(function, key, value, ttl, flags) \
  memcached_##function(client, key, strlen(key), value, strlen(value), ttl, flags)

/* Fails unless key holds these bytes and flags; with value NULL, unless there is no such key. */
static void ExpectBytes(const char* key, const char* value, size_t size, uint32_t flags) {
  size_t got_size = 0;
  uint32_t got_flags = 0;
  memcached_return_t result;
  char* got = memcached_get(client, key, strlen(key), &got_size, &got_flags, &result);
  if (value == NULL) {
    EXPECT_RESULT(MEMCACHED_NOTFOUND, result);
    return;
  }
  EXPECT_RESULT(MEMCACHED_SUCCESS, result);
  EXPECT(got_size == size && (size == 0 || memcmp(got, value, size) == 0) && got_flags == flags);
  free(got);
}

static void ExpectValue(const char* key, const char* value) { ExpectBytes(key, value, value ? strlen(value) : 0, 0); }

static void StoreAndFetch(void) {
  ExpectValue("a", NULL);
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(set, "a", "one", 0, 0));
  ExpectValue("a", "one");
  EXPECT(STORE(add, "a", "two", 0, 0) == (is_binary ? MEMCACHED_DATA_EXISTS : MEMCACHED_NOTSTORED));
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(replace, "a", "three", 0, 0));
  ExpectValue("a", "three");
  EXPECT(STORE(replace, "b", "one", 0, 0) == (is_binary ? MEMCACHED_NOTFOUND : MEMCACHED_NOTSTORED));
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(add, "b", "two", 0, 0xfffffffe));
  ExpectBytes("b", "two", 3, 0xfffffffe);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_delete(client, "a", 1, 0));
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_delete(client, "a", 1, 0));
  ExpectValue("a", NULL);
}

static void AppendAndPrepend(void) {
  EXPECT_RESULT(MEMCACHED_NOTSTORED, STORE(append, "a", "!", 0, 0));
  EXPECT_RESULT(MEMCACHED_NOTSTORED, STORE(prepend, "a", "!", 0, 0));
  STORE(set, "a", "b", 0, 7);
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(append, "a", "c", 0, 0));
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(prepend, "a", "a", 0, 0));
  ExpectBytes("a", "abc", 3, 7);
}

/* The CAS value of a key. */
static uint64_t CasOf(const char* key) {
  const size_t size = strlen(key);
  memcached_return_t result;
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_mget(client, &key, &size, 1));
  memcached_result_st* found = memcached_fetch_result(client, NULL, &result);
  EXPECT(found != NULL);
  const uint64_t cas = memcached_result_cas(found);
  memcached_result_free(found);
  EXPECT(memcached_fetch_result(client, NULL, &result) == NULL);
  return cas;
}

static void Cas(void) {
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_cas(client, "a", 1, "x", 1, 0, 0, 1));
  STORE(set, "a", "one", 0, 0);
  const uint64_t cas = CasOf("a");
  EXPECT(cas != 0);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_cas(client, "a", 1, "two", 3, 0, 0, cas));
  EXPECT_RESULT(MEMCACHED_DATA_EXISTS, memcached_cas(client, "a", 1, "three", 5, 0, 0, cas));
  ExpectValue("a", "two");
  EXPECT(CasOf("a") != cas);
}

static void IncrementAndDecrement(void) {
  uint64_t value = 0;
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_increment(client, "a", 1, 1, &value));
  STORE(set, "a", "10", 0, 0);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_increment(client, "a", 1, 5, &value));
  EXPECT(value == 15);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_decrement(client, "a", 1, 6, &value));
  EXPECT(value == 9);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_decrement(client, "a", 1, 100, &value));
  EXPECT(value == 0);
  STORE(set, "a", "18446744073709551615", 0, 0);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_increment(client, "a", 1, 1, &value));
  EXPECT(value == 0);
  STORE(set, "a", "ten", 0, 0);
  EXPECT(memcached_increment(client, "a", 1, 1, &value) != MEMCACHED_SUCCESS);
  if (!is_binary) return;
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_increment_with_initial(client, "b", 1, 1, 41, 0, &value));
  EXPECT(value == 41);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_increment_with_initial(client, "b", 1, 1, 41, 0, &value));
  EXPECT(value == 42);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_decrement_with_initial(client, "b", 1, 2, 41, 0, &value));
  EXPECT(value == 40);
  EXPECT_RESULT(MEMCACHED_NOTFOUND,
                memcached_increment_with_initial(client, "c", 1, 1, 41, MEMCACHED_EXPIRATION_NOT_ADD, &value));
}

static void TouchAndExpiry(void) {
  STORE(set, "short", "1", 2, 0);
  STORE(set, "touched", "1", 2, 0);
  if (!is_binary) STORE(set, "past", "1", -1, 0); /* in the binary protocol that is the year 2106 */
  STORE(set, "for_ever", "1", 0, 0);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_touch(client, "touched", 7, 100));
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_touch(client, "missing", 7, 100));
  ExpectValue("past", NULL);
  sleep(3);
  usleep(200000);
  ExpectValue("short", NULL);
  ExpectValue("touched", "1");
  ExpectValue("for_ever", "1");
}

static void Exist(void) {
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_exist(client, "a", 1));
  ExpectValue("a", NULL); /* asking made none */
  STORE(set, "a", "one", 0, 3);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_exist(client, "a", 1));
  ExpectBytes("a", "one", 3, 3);
  memcached_delete(client, "a", 1, 0);
  EXPECT_RESULT(MEMCACHED_NOTFOUND, memcached_exist(client, "a", 1));
}

enum { kManyKeys = 3000 };

static char key_text[2 * kManyKeys][16];
static const char* keys[2 * kManyKeys];
static size_t key_sizes[2 * kManyKeys];

/* key0, key1, ...; the first half of them is stored. */
static void MakeManyKeys(void) {
  for (int i = 0; i < 2 * kManyKeys; ++i) {
    key_sizes[i] = (size_t)snprintf(key_text[i], sizeof key_text[i], "key%d", i);
    keys[i] = key_text[i];
    if (i >= kManyKeys) continue;
    EXPECT_RESULT(MEMCACHED_SUCCESS,
                  memcached_set(client, keys[i], key_sizes[i], keys[i] + 3, key_sizes[i] - 3, 0, (uint32_t)i));
  }
}

static void ExpectOneOfMany(memcached_result_st* found) {
  const int number = atoi(memcached_result_key_value(found) + 3);
  EXPECT(memcached_result_flags(found) == (uint32_t)number);
  EXPECT(memcached_result_length(found) == key_sizes[number] - 3);
  EXPECT(memcmp(memcached_result_value(found), keys[number] + 3, key_sizes[number] - 3) == 0);
}

static void Multiget(void) {
  MakeManyKeys();
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_mget(client, keys, key_sizes, 2 * kManyKeys));
  int found_count = 0;
  memcached_return_t result;
  for (memcached_result_st* found; (found = memcached_fetch_result(client, NULL, &result)) != NULL; ++found_count) {
    ExpectOneOfMany(found);
    memcached_result_free(found);
  }
  EXPECT(found_count == kManyKeys);
}

static memcached_return_t CountFound(const memcached_st* memcached, memcached_result_st* found, void* count) {
  (void)memcached;
  ExpectOneOfMany(found);
  ++*(int*)count;
  return MEMCACHED_SUCCESS;
}

static void MultigetWithCallbacks(void) {
  if (!is_binary) return; /* the library has it for the binary protocol only */
  MakeManyKeys();
  int found_count = 0;
  memcached_execute_fn callbacks[] = {CountFound};
  EXPECT_RESULT(MEMCACHED_SUCCESS,
                memcached_mget_execute(client, keys, key_sizes, 2 * kManyKeys, callbacks, &found_count, 1));
  memcached_fetch_execute(client, callbacks, &found_count, 1);
  EXPECT(found_count == kManyKeys);
}

/* Below IO_MSG_WATERMARK: beyond it the library itself stumbles now and then, over any server. */
enum { kBuffered = 200 };

static void BufferedRequests(void) {
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
  for (int i = 0; i < kBuffered; ++i) {
    key_sizes[i] = (size_t)snprintf(key_text[i], sizeof key_text[i], "key%d", i);
    const memcached_return_t result = memcached_set(client, key_text[i], key_sizes[i], "buffered", 8, 0, 0);
    EXPECT(result == MEMCACHED_SUCCESS || result == MEMCACHED_BUFFERED);
  }
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_flush_buffers(client));
  for (int i = 0; i < kBuffered; i += 10) ExpectValue(key_text[i], "buffered");
  ExpectValue(key_text[kBuffered - 1], "buffered");
}

static void WithoutReplies(void) {
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_NOREPLY, 1);
  char number[16];
  for (int i = 0; i < 1000; ++i) {
    snprintf(number, sizeof number, "%d", i);
    STORE(set, "a", number, 0, 0);
  }
  uint64_t ignored;
  memcached_increment(client, "a", 1, 1, &ignored);
  STORE(append, "a", "0", 0, 0);
  STORE(add, "b", "b", 0, 0);
  memcached_delete(client, "b", 1, 0);
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_NOREPLY, 0);
  ExpectValue("a", "10000");
  ExpectValue("b", NULL);
}

static void ValuesOfEveryLengthAndByte(void) {
  static char value[kMegabyte];
  for (size_t i = 0; i < sizeof value; ++i) value[i] = (char)(i * 7 + i / 251);
  const size_t sizes[] = {0, 1, 2, 100, 1000, 8192, 16384, 65536, 131072, 524288, kMegabyte - 500};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_set(client, "a", 1, value, sizes[i], 0, 1));
    ExpectBytes("a", value, sizes[i], 1);
  }
}

static void TooLargeValue(void) {
  char* value = calloc(1, 2 * kMegabyte);
  EXPECT_RESULT(MEMCACHED_E2BIG, memcached_set(client, "a", 1, value, 2 * kMegabyte, 0, 0));
  free(value);
  ExpectValue("a", NULL);
  EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(set, "a", "small", 0, 0));
  ExpectValue("a", "small");
}

static void Keys(void) {
  char longest[251] = "";
  memset(longest, 'k', 250 - strlen(prefix));
  const char* names[] = {longest, "\xe4\xbc\x9a\xe8\xaf\x9d:\xf0\x9f\xa6\x80", "a.b/c?d=e&f#g%20"};
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    EXPECT_RESULT(MEMCACHED_SUCCESS, STORE(set, names[i], names[i], 0, 0));
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) ExpectValue(names[i], names[i]);
}

static void GroupKeys(void) {
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_set_by_key(client, "group", 5, "a", 1, "one", 3, 0, 0));
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_append_by_key(client, "group", 5, "a", 1, "!", 1, 0, 0));
  size_t size;
  uint32_t flags;
  memcached_return_t result;
  char* value = memcached_get_by_key(client, "group", 5, "a", 1, &size, &flags, &result);
  EXPECT(result == MEMCACHED_SUCCESS && size == 4 && memcmp(value, "one!", 4) == 0);
  free(value);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_delete_by_key(client, "group", 5, "a", 1, 0));
}

static void StatsAndVersion(void) {
  memcached_return_t result;
  memcached_stat_st* stats = memcached_stat(client, NULL, &result);
  EXPECT_RESULT(MEMCACHED_SUCCESS, result);
  EXPECT(stats->pid > 0 && stats->threads > 0 && stats->limit_maxbytes == 64ull << 20);
  memcached_stat_free(client, stats);
  EXPECT_RESULT(MEMCACHED_SUCCESS, memcached_version(client));
  EXPECT(memcached_server_major_version(memcached_server_instance_by_position(client, 0)) >= 1);
}

static const struct {
  const char* name;
  void (*play)(void);
} kScenarios[] = {
    {"store_and_fetch", StoreAndFetch},
    {"append_and_prepend", AppendAndPrepend},
    {"cas", Cas},
    {"incr_and_decr", IncrementAndDecrement},
    {"touch_and_expiry", TouchAndExpiry},
    {"exist", Exist},
    {"multiget", Multiget},
    {"multiget_with_callbacks", MultigetWithCallbacks},
    {"buffered_requests", BufferedRequests},
    {"without_replies", WithoutReplies},
    {"values_of_every_length_and_byte", ValuesOfEveryLengthAndByte},
    {"too_large_value", TooLargeValue},
    {"keys_of_250_bytes_and_unicode", Keys},
    {"group_keys", GroupKeys},
    {"stats_and_version", StatsAndVersion},
};

int main(int argc, char** argv) {
  EXPECT(argc == 6);
  is_binary = strcmp(argv[1], "binary") == 0;
  char own_prefix[100]; /* each scenario has keys of its own */
  snprintf(own_prefix, sizeof own_prefix, "%s%s:%s:", argv[4], argv[1], argv[5]);
  prefix = own_prefix;
  client = memcached_create(NULL);
  UseServer(client, argv[2], argv[3]);
  for (size_t i = 0; i < sizeof kScenarios / sizeof *kScenarios; ++i) {
    if (strcmp(kScenarios[i].name, argv[5]) != 0) continue;
    kScenarios[i].play();
    memcached_free(client);
    return 0;
  }
  fprintf(stderr, "no such scenario\n");
  return 64;
}
