// value_bytes.h - the values of a multiget, one behind the other, in a few large pieces that never move.
//
// Threads: one at a time.
// Owns:    the pieces. Views from Keep live as long as it does.

#ifndef HOLDFAST_CLIENT_VALUE_BYTES_H_
#define HOLDFAST_CLIENT_VALUE_BYTES_H_

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace holdfast::client {

class ValueBytes {
 public:
  std::string_view Keep(std::string_view value) {
    if (static_cast<size_t>(end_ - place_) < value.size()) Grow(value.size());
    if (value.empty()) return {};
    char* const begin = place_;
    std::memcpy(begin, value.data(), value.size());
    place_ += value.size();
    return {begin, value.size()};
  }

 private:
  static constexpr size_t kFirstBytes = 16 * 1024;
  static constexpr size_t kPieceBytesMax = 1024 * 1024;

  void Grow(size_t at_least) {
    const size_t bytes = at_least > next_bytes_ ? at_least : next_bytes_;
    pieces_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    place_ = pieces_.back().get();
    end_ = place_ + bytes;
    if (next_bytes_ < kPieceBytesMax) next_bytes_ *= 2;
  }

  std::vector<std::unique_ptr<char[]>> pieces_;
  char* place_ = nullptr;  // null until the first value
  char* end_ = nullptr;
  size_t next_bytes_ = kFirstBytes;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_VALUE_BYTES_H_
