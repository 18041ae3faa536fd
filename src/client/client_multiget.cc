#include <holdfast/client.h>

#include <algorithm>

#include "client/core.h"

namespace holdfast {

struct GetManyResult::Bytes {
  client::ValueBytes values;
};

// The way in for those that fill it.
struct GetManyAccess {
  static client::ValueBytes& Prepare(size_t keys, GetManyResult* result) {
    result->found_.resize(keys);
    result->bytes_ = std::make_unique<GetManyResult::Bytes>();
    return result->bytes_->values;
  }
  static Found* FoundOf(GetManyResult* result) { return result->found_.data(); }
  static GetManyResult Of(std::vector<Found> found, std::unique_ptr<client::ValueBytes> bytes) {
    GetManyResult result;
    result.found_ = std::move(found);
    result.bytes_ = std::make_unique<GetManyResult::Bytes>();
    if (bytes != nullptr) result.bytes_->values = std::move(*bytes);
    return result;
  }
};

GetManyResult::GetManyResult() = default;
GetManyResult::GetManyResult(GetManyResult&&) noexcept = default;
GetManyResult& GetManyResult::operator=(GetManyResult&&) noexcept = default;
GetManyResult::~GetManyResult() = default;

size_t GetManyResult::hits() const {
  return static_cast<size_t>(std::count_if(found_.begin(), found_.end(), [](const Found& each) { return each.ok(); }));
}

bool GetManyResult::complete() const {
  return std::all_of(found_.begin(), found_.end(), [](const Found& each) { return each.status.answered(); });
}

Status GetManyResult::status() const {
  const auto failed =
      std::find_if(found_.begin(), found_.end(), [](const Found& each) { return !each.status.answered(); });
  return failed == found_.end() ? Status() : failed->status;
}

namespace {

GetManyResult RunMany(Client::Core& core, std::span<const std::string_view> keys, const Call& call, bool with_cas) {
  GetManyResult result;
  client::ValueBytes& bytes = GetManyAccess::Prepare(keys.size(), &result);
  core.RunMany(keys, call, with_cas, GetManyAccess::FoundOf(&result), &bytes);
  return result;
}

}  // namespace

GetManyResult Client::GetMany(std::span<const std::string_view> keys, const Call& call) {
  return RunMany(*core_, keys, call, false);
}

GetManyResult Client::GetMany(std::span<const std::string> keys, const Call& call) {
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  return RunMany(*core_, views, call, false);
}

GetManyResult Client::GetsMany(std::span<const std::string_view> keys, const Call& call) {
  return RunMany(*core_, keys, call, true);
}

namespace {

void StartMany(Client::Core& core, std::span<const std::string_view> keys, const Call& call, bool with_cas,
               Callback<GetManyResult> done) {
  core.StartMany(keys, call, with_cas,
                 [done = std::move(done)](std::vector<Found> found, std::unique_ptr<client::ValueBytes> bytes) {
                   done(GetManyAccess::Of(std::move(found), std::move(bytes)));
                 });
}

}  // namespace

void Client::GetMany(std::span<const std::string_view> keys, const Call& call, Callback<GetManyResult> done) {
  StartMany(*core_, keys, call, false, std::move(done));
}

void Client::GetsMany(std::span<const std::string_view> keys, const Call& call, Callback<GetManyResult> done) {
  StartMany(*core_, keys, call, true, std::move(done));
}

}  // namespace holdfast
