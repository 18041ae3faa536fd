// multiget_plan.h - a multiget cut up: which keys go to which server, in which Parts.
//
// Threads: one at a time.
// Owns:    everything between the keys and the result; the keys' text too, when they have a prefix.
// Errors:  a key that cannot be sent has its status at once and is in no Part; so have those of a server that is down.
// Limits:  multiget_keys_max keys a Part.

#ifndef HOLDFAST_CLIENT_MULTIGET_PLAN_H_
#define HOLDFAST_CLIENT_MULTIGET_PLAN_H_

#include <holdfast/client.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/multiget_part.h"
#include "client/topology.h"

namespace holdfast::client {

class MultigetPlan {
 public:
  struct Share {
    std::shared_ptr<Endpoint> endpoint;
    std::span<Part* const> parts;
  };

  MultigetPlan() = default;
  MultigetPlan(const MultigetPlan&) = delete;
  MultigetPlan& operator=(const MultigetPlan&) = delete;

  // keys, found and bytes must outlive the plan; found has one for each key.
  void Make(const Topology& topology, const ClientOptions& options, const Call& call, bool with_cas,
            std::span<const std::string_view> keys, Found* found, ValueBytes* bytes);

  const std::vector<Share>& shares() const { return shares_; }

  // Where the values and statuses that are still to come shall go.
  void Redirect(Found* found, ValueBytes* bytes) {
    multiget_.found = found;
    multiget_.bytes = bytes;
  }

 private:
  void PutPrefix(const ClientOptions& options, std::span<const std::string_view> keys);
  void Place(const Topology& topology, const ClientOptions& options, const Call& call,
             std::span<const std::string_view> keys);
  void RefuseUnfit(const ClientOptions& options, std::span<const std::string_view> keys);
  void RefuseDown(const Topology& topology, WhenDown when_down);
  void Order(size_t servers);
  void Cut(const Topology& topology, size_t keys_max);

  Multiget multiget_;
  std::string text_;                        // keys with their prefix
  std::vector<std::string_view> prefixed_;  // empty without a prefix
  std::vector<uint32_t> server_;            // by key; kNoServer for one that has its status already
  std::vector<uint32_t> order_;             // keys by server, in their order
  std::vector<uint32_t> begins_;            // by server: where its keys begin in order_
  std::vector<MultigetPart> parts_;         // complete before pointers are taken
  std::vector<Part*> part_pointers_;
  std::vector<Share> shares_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_MULTIGET_PLAN_H_
