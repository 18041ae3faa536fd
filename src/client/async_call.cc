#include "client/async_call.h"

namespace holdfast::client {

AsyncMultiget::AsyncMultiget(std::span<const std::string_view> keys, SteadyTime deadline,
                             std::chrono::nanoseconds timeout, Done done)
    : AsyncCall(deadline, timeout), found_(keys.size()), done_(std::move(done)) {
  size_t bytes = 0;
  for (std::string_view key : keys) bytes += key.size();
  text_.reserve(bytes);  // so that it never moves
  for (std::string_view key : keys) {
    text_ += key;
    keys_.push_back(std::string_view(text_).substr(text_.size() - key.size()));
  }
}

void AsyncMultiget::Plan(const Topology& topology, const ClientOptions& options, const Call& call, bool with_cas) {
  plan_.Make(topology, options, call, with_cas, keys_, found_.data(), bytes_.get());
  for (const MultigetPlan::Share& share : plan_.shares()) {
    for (Part* part : share.parts) errands_.push_back({share.endpoint, part, false});
  }
}

void AsyncMultiget::Deliver() {
  found_late_.resize(found_.size());
  plan_.Redirect(found_late_.data(), &bytes_late_);
  done_(std::move(found_), std::move(bytes_));
}

}  // namespace holdfast::client
