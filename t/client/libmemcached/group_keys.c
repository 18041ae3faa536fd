/* group_keys.c - keys with a group on three servers, by libmemcached's *_by_key functions. See GroupKeys in
 * client_repertoire.py.
 *
 * usage: group_keys text|binary ketama|weighted|modula HOST:PORT HOST:PORT HOST:PORT
 */

#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

enum { kGroups = 40, kNumbers = 10, kServers = 3, kKeyMax = 40 };

static memcached_st* client;

static void ChooseRing(const char* name) {
  const memcached_behavior_t behavior =
      strcmp(name, "weighted") == 0 ? MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED : MEMCACHED_BEHAVIOR_KETAMA;
  if (strcmp(name, "modula") == 0) return;
  EXPECT(memcached_behavior_set(client, behavior, 1) == MEMCACHED_SUCCESS);
}

static void AddServer(char* address) {
  char* colon = strchr(address, ':');
  EXPECT(colon != NULL);
  *colon = '\0';
  EXPECT(memcached_server_add(client, address, (in_port_t)atoi(colon + 1)) == MEMCACHED_SUCCESS);
}

static size_t NameKey(char* key, int group, int number) {
  return (size_t)snprintf(key, kKeyMax, "g:%d:%d", group, number);
}

static size_t NameGroup(char* name, int group) { return (size_t)snprintf(name, kKeyMax, "user:%d", group); }

static void Store(int group) {
  char name[kKeyMax];
  char key[kKeyMax];
  const size_t name_size = NameGroup(name, group);
  for (int number = 0; number < kNumbers; ++number) {
    const size_t size = NameKey(key, group, number);
    EXPECT(memcached_set_by_key(client, name, name_size, key, size, key, size, 0, 0) == MEMCACHED_SUCCESS);
  }
}

/* All keys of the group and as many that are not there, in one multiget. */
static void Fetch(int group) {
  char name[kKeyMax];
  char keys[2 * kNumbers][kKeyMax];
  const char* pointers[2 * kNumbers];
  size_t sizes[2 * kNumbers];
  const size_t name_size = NameGroup(name, group);
  for (int number = 0; number < 2 * kNumbers; ++number) {
    sizes[number] = NameKey(keys[number], group, number);
    pointers[number] = keys[number];
  }
  EXPECT(memcached_mget_by_key(client, name, name_size, pointers, sizes, 2 * kNumbers) == MEMCACHED_SUCCESS);
  int found = 0;
  memcached_return_t result;
  memcached_result_st* item;
  while ((item = memcached_fetch_result(client, NULL, &result)) != NULL) {
    const size_t size = memcached_result_key_length(item);
    EXPECT(memcached_result_length(item) == size);
    EXPECT(memcmp(memcached_result_value(item), memcached_result_key_value(item), size) == 0);
    memcached_result_free(item);
    ++found;
  }
  EXPECT(found == kNumbers);
}

/* The other functions go to the same server. */
static void Change(int group) {
  char name[kKeyMax];
  const size_t name_size = NameGroup(name, group);
  uint32_t flags;
  size_t size;
  memcached_return_t result;
  EXPECT(memcached_add_by_key(client, name, name_size, "n", 1, "5", 1, 0, 0) == MEMCACHED_SUCCESS || group >= kServers);
  memcached_set_by_key(client, name, name_size, "n", 1, "5", 1, 0, 0);
  EXPECT(memcached_replace_by_key(client, name, name_size, "n", 1, "6", 1, 0, 0) == MEMCACHED_SUCCESS);
  EXPECT(memcached_append_by_key(client, name, name_size, "n", 1, "0", 1, 0, 0) == MEMCACHED_SUCCESS);
  EXPECT(memcached_prepend_by_key(client, name, name_size, "n", 1, "1", 1, 0, 0) == MEMCACHED_SUCCESS);
  uint64_t number = 0;
  EXPECT(memcached_increment_by_key(client, name, name_size, "n", 1, 2, &number) == MEMCACHED_SUCCESS && number == 162);
  EXPECT(memcached_decrement_by_key(client, name, name_size, "n", 1, 1, &number) == MEMCACHED_SUCCESS && number == 161);
  EXPECT(memcached_exist_by_key(client, name, name_size, "n", 1) == MEMCACHED_SUCCESS);
  char* value = memcached_get_by_key(client, name, name_size, "n", 1, &size, &flags, &result);
  EXPECT(value != NULL && size == 3 && memcmp(value, "161", 3) == 0);
  free(value);
  EXPECT(memcached_delete_by_key(client, name, name_size, "n", 1, 0) == MEMCACHED_SUCCESS);
}

int main(int count, char** arguments) {
  EXPECT(count == 3 + kServers);
  client = memcached_create(NULL);
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, strcmp(arguments[1], "binary") == 0);
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 20000);
  ChooseRing(arguments[2]);
  for (int server = 0; server < kServers; ++server) AddServer(arguments[3 + server]);
  for (int group = 0; group < kGroups; ++group) Store(group);
  for (int group = 0; group < kGroups; ++group) Fetch(group);
  for (int group = 0; group < kGroups; ++group) Change(group);
  memcached_free(client);
  return 0;
}
