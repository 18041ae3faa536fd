// packing.h - numbers and strings one behind the other, for what one process tells another on the same machine.
//
// Threads: plain values.
// Errors:  an Unpacker that is asked for more than there is gives zeros and empty strings from then on, and says so.

#ifndef HOLDFAST_BASE_PACKING_H_
#define HOLDFAST_BASE_PACKING_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace holdfast::base {

class Packer {
 public:
  // Integers in the order of the machine.
  template <class Number>
  Packer& Put(Number number) {
    static_assert(std::is_integral_v<Number>);
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Packer& PutString(std::string_view text) {
    Put(static_cast<uint64_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Unpacker {
 public:
  // bytes is borrowed, and what TakeString returns points into it.
  explicit Unpacker(std::string_view bytes) : left_(bytes) {}

  template <class Number>
  Number Take() {
    static_assert(std::is_integral_v<Number>);
    Number number{};
    const std::string_view piece = Cut(sizeof number);
    if (ok_) std::memcpy(&number, piece.data(), sizeof number);
    return number;
  }
  std::string_view TakeString() { return Cut(Take<uint64_t>()); }

  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view Cut(uint64_t bytes) {
    ok_ = ok_ && bytes <= left_.size();
    if (!ok_) return {};
    const std::string_view piece = left_.substr(0, static_cast<size_t>(bytes));
    left_.remove_prefix(piece.size());
    return piece;
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_PACKING_H_
