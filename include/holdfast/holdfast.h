/* holdfast.h - libholdfast for C and for all that can call C. <holdfast/client.h> has the meaning of each call.
 *
 *     char error[256];
 *     holdfast_client *client = holdfast_client_new("cache1:11211,cache2:11211", "ketama", error, sizeof error);
 *     holdfast_value value;
 *     if (holdfast_get(client, NULL, "user:5", 6, &value) == HOLDFAST_OK) ...
 *     holdfast_value_clear(&value);
 *     holdfast_client_free(client);
 *
 * Threads: one client for all threads.
 * Owns:    whoever was given a holdfast_value, holdfast_values or holdfast_client frees it, with the function named so.
 * Errors:  every call returns a holdfast_code. What a failure has to say is kept for the thread that made the call,
 * until its next call: holdfast_error. Blocks:  until the deadline at most.
 */

#ifndef HOLDFAST_HOLDFAST_H_
#define HOLDFAST_HOLDFAST_H_

#include <holdfast/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers of holdfast::Code. */
typedef enum holdfast_code {
  HOLDFAST_OK = 0,
  HOLDFAST_NOT_FOUND = 1,
  HOLDFAST_NOT_STORED = 2,
  HOLDFAST_EXISTS = 3,
  HOLDFAST_NOT_NUMBER = 4,
  HOLDFAST_INVALID = 10,
  HOLDFAST_TOO_LARGE = 11,
  HOLDFAST_REJECTED = 12,
  HOLDFAST_NO_MEMORY = 20,
  HOLDFAST_SERVER_ERROR = 21,
  HOLDFAST_SERVER_DOWN = 22,
  HOLDFAST_UNREACHABLE = 23,
  HOLDFAST_CLOSED = 24,
  HOLDFAST_BUSY = 25,
  HOLDFAST_TIMEOUT = 30,
  HOLDFAST_CONNECTION_LOST = 31,
  HOLDFAST_PROTOCOL = 32
} holdfast_code;

typedef struct holdfast_client holdfast_client;

/* How a call is made; NULL stands for all zeros. Set what is not used to 0. */
typedef struct holdfast_call {
  const char* master; /* a master key; NULL: the key decides the server */
  size_t master_size;
  uint64_t master_number; /* used as the hash itself, if master_is_number */
  int master_is_number;
  uint32_t timeout_ms; /* 0: the client's */
} holdfast_call;

typedef struct holdfast_value {
  holdfast_code code;
  char* data; /* not NULL when found; a zero byte stands behind the last */
  size_t size;
  uint32_t flags;
  uint64_t cas; /* of holdfast_gets alone */
} holdfast_value;

/* "ok", "not found", ... */
HOLDFAST_API const char* holdfast_code_name(holdfast_code code);
/* The last failure of the calling thread, for people; never NULL. */
HOLDFAST_API const char* holdfast_error(void);

/* servers: as of Client::Make, "host:port,host:port/?weight,/path". ring: NULL for "slots". NULL on failure, with the
   cause in error. */
HOLDFAST_API holdfast_client* holdfast_client_new(const char* servers, const char* ring, char* error,
                                                  size_t error_size);
/* When no other thread uses it any more. */
HOLDFAST_API void holdfast_client_free(holdfast_client* client);
/* Of all calls that name none. */
HOLDFAST_API void holdfast_client_set_timeout(holdfast_client* client, uint32_t timeout_ms);

/* value is always set and must be cleared. */
HOLDFAST_API holdfast_code holdfast_get(holdfast_client* client, const holdfast_call* call, const char* key,
                                        size_t key_size, holdfast_value* value);
HOLDFAST_API holdfast_code holdfast_gets(holdfast_client* client, const holdfast_call* call, const char* key,
                                         size_t key_size, holdfast_value* value);
/* The same, and the item lives for another ttl_s. */
HOLDFAST_API holdfast_code holdfast_get_and_touch(holdfast_client* client, const holdfast_call* call, const char* key,
                                                  size_t key_size, int64_t ttl_s, holdfast_value* value);
HOLDFAST_API void holdfast_value_clear(holdfast_value* value);

/* values: room for count, each of which is set and must be cleared. The code of the first failure, or HOLDFAST_OK. */
HOLDFAST_API holdfast_code holdfast_get_many(holdfast_client* client, const holdfast_call* call,
                                             const char* const* keys, const size_t* key_sizes, size_t count,
                                             holdfast_value* values);

/* ttl_s: 0 never, negative at once. cas: where the new cas value goes, or NULL. */
HOLDFAST_API holdfast_code holdfast_set(holdfast_client* client, const holdfast_call* call, const char* key,
                                        size_t key_size, const char* value, size_t value_size, int64_t ttl_s,
                                        uint32_t flags, uint64_t* cas);
HOLDFAST_API holdfast_code holdfast_add(holdfast_client* client, const holdfast_call* call, const char* key,
                                        size_t key_size, const char* value, size_t value_size, int64_t ttl_s,
                                        uint32_t flags, uint64_t* cas);
HOLDFAST_API holdfast_code holdfast_replace(holdfast_client* client, const holdfast_call* call, const char* key,
                                            size_t key_size, const char* value, size_t value_size, int64_t ttl_s,
                                            uint32_t flags, uint64_t* cas);
/* *cas: as read; becomes the new one. */
HOLDFAST_API holdfast_code holdfast_cas(holdfast_client* client, const holdfast_call* call, const char* key,
                                        size_t key_size, const char* value, size_t value_size, int64_t ttl_s,
                                        uint32_t flags, uint64_t* cas);
HOLDFAST_API holdfast_code holdfast_append(holdfast_client* client, const holdfast_call* call, const char* key,
                                           size_t key_size, const char* value, size_t value_size);
HOLDFAST_API holdfast_code holdfast_prepend(holdfast_client* client, const holdfast_call* call, const char* key,
                                            size_t key_size, const char* value, size_t value_size);
/* number: where the new number goes, or NULL. */
HOLDFAST_API holdfast_code holdfast_increment(holdfast_client* client, const holdfast_call* call, const char* key,
                                              size_t key_size, uint64_t delta, uint64_t* number);
HOLDFAST_API holdfast_code holdfast_decrement(holdfast_client* client, const holdfast_call* call, const char* key,
                                              size_t key_size, uint64_t delta, uint64_t* number);
HOLDFAST_API holdfast_code holdfast_touch(holdfast_client* client, const holdfast_call* call, const char* key,
                                          size_t key_size, int64_t ttl_s);
HOLDFAST_API holdfast_code holdfast_remove(holdfast_client* client, const holdfast_call* call, const char* key,
                                           size_t key_size);
/* All items of all servers, or of the one that the master key names. The code of the first failure, or HOLDFAST_OK. */
HOLDFAST_API holdfast_code holdfast_flush(holdfast_client* client, const holdfast_call* call);

#ifdef __cplusplus
}
#endif

#endif /* HOLDFAST_HOLDFAST_H_ */
