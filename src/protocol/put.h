// put.h - puts down bytes from left to right, as the writers do.
//
// Threads: a pure function. The caller answers for the room.

#ifndef HOLDFAST_PROTOCOL_PUT_H_
#define HOLDFAST_PROTOCOL_PUT_H_

#include <cstring>
#include <string_view>

namespace holdfast::protocol {

// Returns where the next byte goes. An empty view may point nowhere.
inline char* Put(char* place, std::string_view text) {
  if (!text.empty()) std::memcpy(place, text.data(), text.size());
  return place + text.size();
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_PUT_H_
