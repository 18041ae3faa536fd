/* The C interface. */

#include <holdfast/holdfast.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  char error[256];
  holdfast_client *client = holdfast_client_new(argc > 1 ? argv[1] : "127.0.0.1:11211", "ketama", error, sizeof error);
  const char *keys[] = {"a", "b", "absent"};
  const size_t sizes[] = {1, 1, 6};
  holdfast_call call = {0};
  holdfast_value values[3], value;
  uint64_t cas = 0, number = 0;
  int wrong = 0;

  if (client == NULL) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  call.master = "user:5";
  call.master_size = 6;
  wrong |= holdfast_set(client, &call, "a", 1, "one", 3, 60, 7, &cas) != HOLDFAST_OK || cas == 0;
  wrong |= holdfast_set(client, &call, "b", 1, "2", 1, 0, 0, NULL) != HOLDFAST_OK;
  wrong |= holdfast_increment(client, &call, "b", 1, 40, &number) != HOLDFAST_OK || number != 42;
  wrong |= holdfast_cas(client, &call, "a", 1, "uno", 3, 0, 0, &cas) != HOLDFAST_OK;
  cas -= 1;
  wrong |= holdfast_cas(client, &call, "a", 1, "x", 1, 0, 0, &cas) != HOLDFAST_EXISTS;
  wrong |= holdfast_add(client, &call, "a", 1, "x", 1, 0, 0, NULL) != HOLDFAST_NOT_STORED;
  wrong |= holdfast_get_many(client, &call, keys, sizes, 3, values) != HOLDFAST_OK;
  wrong |= values[0].code != HOLDFAST_OK || strcmp(values[0].data, "uno") != 0;
  wrong |= values[1].size != 2 || values[2].code != HOLDFAST_NOT_FOUND || values[2].data != NULL;
  for (int i = 0; i < 3; i++) holdfast_value_clear(&values[i]);
  wrong |= holdfast_get_and_touch(client, &call, "b", 1, 60, &value) != HOLDFAST_OK || value.size != 2;
  holdfast_value_clear(&value);
  wrong |= holdfast_remove(client, &call, "a", 1) != HOLDFAST_OK;
  wrong |= holdfast_gets(client, &call, "a", 1, &value) != HOLDFAST_NOT_FOUND;
  holdfast_value_clear(&value);
  wrong |= holdfast_get(client, NULL, "a b", 3, &value) != HOLDFAST_INVALID || strlen(holdfast_error()) == 0;
  holdfast_value_clear(&value);
  wrong |= holdfast_client_new(NULL, NULL, error, sizeof error) != NULL || strlen(error) == 0;
  printf("%s\n", wrong ? "wrong" : "as expected");
  holdfast_client_free(client);
  return wrong;
}
