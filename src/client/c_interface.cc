// The C interface: each function is its counterpart of <holdfast/client.h>, with the Status kept for the thread.
//
// The text of the last failure is the one thing here that belongs to a thread and not to an object: C has no place in a
// return value for it.

#include <holdfast/client.h>
#include <holdfast/holdfast.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

struct holdfast_client {
  std::unique_ptr<holdfast::Client> client;
  std::atomic<uint32_t> timeout_ms{0};  // 0: the client's own
};

namespace {

using holdfast::Call;
using holdfast::Status;

static_assert(HOLDFAST_NOT_NUMBER == static_cast<int>(holdfast::Code::kNotNumber));
static_assert(HOLDFAST_REJECTED == static_cast<int>(holdfast::Code::kRejected));
static_assert(HOLDFAST_BUSY == static_cast<int>(holdfast::Code::kBusy));
static_assert(HOLDFAST_PROTOCOL == static_cast<int>(holdfast::Code::kProtocol));

std::string& LastError() {
  thread_local std::string text;
  return text;
}

holdfast_code CodeOf(const Status& status) {
  LastError() = status.ok() ? std::string() : status.message();
  return static_cast<holdfast_code>(status.code());
}

Call CallOf(const holdfast_client* client, const holdfast_call* given) {
  Call call;
  call.timeout = std::chrono::milliseconds(client->timeout_ms.load(std::memory_order_relaxed));
  if (given == nullptr) return call;
  if (given->timeout_ms != 0) call.timeout = std::chrono::milliseconds(given->timeout_ms);
  if (given->master_is_number) {
    call.master = given->master_number;
  } else if (given->master != nullptr) {
    call.master = std::string_view(given->master, given->master_size);
  }
  return call;
}

void Fill(const Status& status, std::string_view data, uint32_t flags, uint64_t cas, holdfast_value* value) {
  *value = {static_cast<holdfast_code>(status.code()), nullptr, 0, flags, cas};
  if (!status.ok()) return;
  value->data = static_cast<char*>(std::malloc(data.size() + 1));
  if (value->data == nullptr) throw std::bad_alloc();
  if (!data.empty()) std::memcpy(value->data, data.data(), data.size());
  value->data[data.size()] = '\0';
  value->size = data.size();
}

holdfast_code Give(const holdfast::GetResult& found, holdfast_value* value) {
  Fill(found.status, found.value, found.flags, found.cas, value);
  return CodeOf(found.status);
}

holdfast_code Give(const holdfast::StoreResult& stored, uint64_t* cas) {
  if (stored.ok() && cas != nullptr) *cas = stored.cas;
  return CodeOf(stored.status);
}

holdfast_code Give(const holdfast::NumberResult& counted, uint64_t* number) {
  if (counted.ok() && number != nullptr) *number = counted.number;
  return CodeOf(counted.status);
}

holdfast::StoreOptions OptionsOf(int64_t ttl_s, uint32_t flags) {
  return {.ttl = std::chrono::seconds(ttl_s), .flags = flags};
}

}  // namespace

extern "C" {

const char* holdfast_code_name(holdfast_code code) { return holdfast::CodeName(static_cast<holdfast::Code>(code)); }

const char* holdfast_error(void) { return LastError().c_str(); }

holdfast_client* holdfast_client_new(const char* servers, const char* ring, char* error, size_t error_size) {
  holdfast::ClientOptions options;
  if (ring != nullptr) options.ring = ring;
  Status status = holdfast::Client::ParseServers(servers == nullptr ? "" : servers, &options.servers);
  holdfast::MakeResult made;
  if (status.ok()) {
    made = holdfast::Client::Make(options);
    status = made.status;
  }
  if (made.ok() && made.client != nullptr) {
    auto* const client = new holdfast_client;
    client->client = std::move(made.client);
    return client;
  }
  CodeOf(status);
  if (error != nullptr && error_size > 0) {
    const size_t size = std::min(LastError().size(), error_size - 1);
    std::memcpy(error, LastError().data(), size);
    error[size] = '\0';
  }
  return nullptr;
}

void holdfast_client_free(holdfast_client* client) { delete client; }

void holdfast_client_set_timeout(holdfast_client* client, uint32_t timeout_ms) { client->timeout_ms = timeout_ms; }

holdfast_code holdfast_get(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                           holdfast_value* value) {
  return Give(client->client->Get({key, key_size}, CallOf(client, call)), value);
}

holdfast_code holdfast_gets(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                            holdfast_value* value) {
  return Give(client->client->Gets({key, key_size}, CallOf(client, call)), value);
}

holdfast_code holdfast_get_and_touch(holdfast_client* client, const holdfast_call* call, const char* key,
                                     size_t key_size, int64_t ttl_s, holdfast_value* value) {
  return Give(client->client->GetAndTouch({key, key_size}, std::chrono::seconds(ttl_s), CallOf(client, call)), value);
}

void holdfast_value_clear(holdfast_value* value) {
  std::free(value->data);
  value->data = nullptr;
  value->size = 0;
}

holdfast_code holdfast_get_many(holdfast_client* client, const holdfast_call* call, const char* const* keys,
                                const size_t* key_sizes, size_t count, holdfast_value* values) {
  std::vector<std::string_view> views;
  views.reserve(count);
  for (size_t i = 0; i < count; i++) views.emplace_back(keys[i], key_sizes[i]);
  const holdfast::GetManyResult found = client->client->GetMany(views, CallOf(client, call));
  for (size_t i = 0; i < count; i++) Fill(found[i].status, found[i].value, found[i].flags, 0, &values[i]);
  return CodeOf(found.status());
}

holdfast_code holdfast_set(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                           const char* value, size_t value_size, int64_t ttl_s, uint32_t flags, uint64_t* cas) {
  return Give(client->client->Set({key, key_size}, {value, value_size}, OptionsOf(ttl_s, flags), CallOf(client, call)),
              cas);
}

holdfast_code holdfast_add(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                           const char* value, size_t value_size, int64_t ttl_s, uint32_t flags, uint64_t* cas) {
  return Give(client->client->Add({key, key_size}, {value, value_size}, OptionsOf(ttl_s, flags), CallOf(client, call)),
              cas);
}

holdfast_code holdfast_replace(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                               const char* value, size_t value_size, int64_t ttl_s, uint32_t flags, uint64_t* cas) {
  return Give(
      client->client->Replace({key, key_size}, {value, value_size}, OptionsOf(ttl_s, flags), CallOf(client, call)),
      cas);
}

holdfast_code holdfast_cas(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                           const char* value, size_t value_size, int64_t ttl_s, uint32_t flags, uint64_t* cas) {
  return Give(client->client->Cas({key, key_size}, {value, value_size}, cas == nullptr ? 0 : *cas,
                                  OptionsOf(ttl_s, flags), CallOf(client, call)),
              cas);
}

holdfast_code holdfast_append(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                              const char* value, size_t value_size) {
  return Give(client->client->Append({key, key_size}, {value, value_size}, CallOf(client, call)), nullptr);
}

holdfast_code holdfast_prepend(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                               const char* value, size_t value_size) {
  return Give(client->client->Prepend({key, key_size}, {value, value_size}, CallOf(client, call)), nullptr);
}

holdfast_code holdfast_increment(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                                 uint64_t delta, uint64_t* number) {
  return Give(client->client->Increment({key, key_size}, delta, {}, CallOf(client, call)), number);
}

holdfast_code holdfast_decrement(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                                 uint64_t delta, uint64_t* number) {
  return Give(client->client->Decrement({key, key_size}, delta, {}, CallOf(client, call)), number);
}

holdfast_code holdfast_touch(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size,
                             int64_t ttl_s) {
  return CodeOf(client->client->Touch({key, key_size}, std::chrono::seconds(ttl_s), CallOf(client, call)));
}

holdfast_code holdfast_remove(holdfast_client* client, const holdfast_call* call, const char* key, size_t key_size) {
  return CodeOf(client->client->Remove({key, key_size}, {}, CallOf(client, call)));
}

holdfast_code holdfast_flush(holdfast_client* client, const holdfast_call* call) {
  Status failure;
  for (const holdfast::ServerResult& server : client->client->Flush({}, CallOf(client, call))) {
    if (failure.ok()) failure = server.status;
  }
  return CodeOf(failure);
}

}  // extern "C"
