// core.h - what stands behind holdfast::Client: the list of servers now, the thread, and how a call is carried.
//
// Threads: any.
// Owns:    everything of the client.
// Blocks:  RunOne and RunMany, until the deadline; the destructor, until the callback that is running has returned.

#ifndef HOLDFAST_CLIENT_CORE_H_
#define HOLDFAST_CLIENT_CORE_H_

#include <holdfast/client.h>

#include <functional>
#include <memory>
#include <mutex>

#include "client/async_call.h"
#include "client/blocking_run.h"
#include "client/loop.h"
#include "client/resolver.h"
#include "client/ring_scheme.h"
#include "client/topology.h"
#include "client/verbs.h"

namespace holdfast {

struct HOLDFAST_HIDDEN Client::Core final : client::HealthWatch {
  Core(const ClientOptions& options, client::RingScheme scheme, std::shared_ptr<const client::Topology> topology);
  ~Core() override;

  std::shared_ptr<const client::Topology> topology() const;
  // The servers after `change`; refused changes leave all as it is.
  Status Change(const std::function<Status(std::vector<Server>*)>& change);

  // part has all but its key. Its answer holds the outcome.
  void RunOne(const client::Verb& verb, std::string_view key, const Call& call, client::OnePart* part);
  void RunMany(std::span<const std::string_view> keys, const Call& call, bool with_cas, Found* found,
               client::ValueBytes* bytes);
  std::vector<ServerResult> RunServers(protocol::Verb verb, std::string_view arguments, int64_t delay_s,
                                       const Call& call);
  // say: puts the verb's words in. value: is copied.
  void StartOne(const client::Verb& verb, std::string_view key, std::string_view value, const Call& call,
                const std::function<void(std::string_view value, client::OnePart*)>& say,
                std::function<void(client::Answer)> done);
  void StartMany(std::span<const std::string_view> keys, const Call& call, bool with_cas,
                 client::AsyncMultiget::Done done);

  std::chrono::nanoseconds TimeoutOf(const Call& call) const;

  void OnEjected(client::Endpoint& endpoint) override;
  void OnAddressesWanted(client::Endpoint& endpoint) override { resolver.Want(endpoint); }
  Status TooLarge(std::string_view value) const;

  static client::EndpointLimits LimitsOf(const ClientOptions& options);

  const ClientOptions options;
  const client::RingScheme scheme;
  const client::EndpointLimits limits;

 private:
  // Where a key goes; not ok, or skipped, when nowhere.
  struct Route {
    std::shared_ptr<client::Endpoint> endpoint;
    Status status;
    bool skipped = false;
  };
  Route RouteOf(const client::Topology& topology, const client::Verb& verb, std::string_view key,
                const Call& call) const;
  client::RunTimes TimesOf(const Call& call) const { return {TimeoutOf(call), options.connect_timeout}; }
  void Replace(std::shared_ptr<const client::Topology> topology);
  void Replan();

  std::mutex change_mutex_;  // one change of the list at a time; taken before mutex_
  mutable std::mutex mutex_;
  std::shared_ptr<const client::Topology> topology_;  // guarded by mutex_; never null

  client::Resolver resolver;
  client::Loop loop_;  // last: its thread uses the rest
};

}  // namespace holdfast

#endif  // HOLDFAST_CLIENT_CORE_H_
