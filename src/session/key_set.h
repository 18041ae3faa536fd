// key_set.h - keys in order, to be gone through a few at a time while the set changes.
//
// Threads: its owner's lock.
// Owns:    a copy of each key.

#ifndef HOLDFAST_SESSION_KEY_SET_H_
#define HOLDFAST_SESSION_KEY_SET_H_

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::session {

class KeySet {
 public:
  void Insert(std::string_view key) { keys_.emplace(key); }
  void Erase(std::string_view key) {
    if (const auto found = keys_.find(key); found != keys_.end()) keys_.erase(found);
  }
  bool Has(std::string_view key) const { return keys_.find(key) != keys_.end(); }
  size_t size() const { return keys_.size(); }

  // At most count keys behind this one; no key is empty.
  std::vector<std::string> After(std::string_view key, size_t count) const {
    std::vector<std::string> keys;
    for (auto next = keys_.upper_bound(key); next != keys_.end() && keys.size() < count; ++next) keys.push_back(*next);
    return keys;
  }

 private:
  std::set<std::string, std::less<>> keys_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_KEY_SET_H_
