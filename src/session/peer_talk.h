// peer_talk.h - what servers that share a database say to each other, as lines of text on the ordinary port.
//
//   session_yield TOKEN ASKER KEY ...      let go of these sessions; ASKER is the number of who asks, keys are in hex
//   YIELD dwr                              for each key: done, wait (ask again), refused
//   DENIED                                 the token is not this server's
//
// The token stands in the table `nodes`: who may read the database may ask.
//
// Threads: any.
// Limits:  kPeerLineMax bytes a line.

#ifndef HOLDFAST_SESSION_PEER_TALK_H_
#define HOLDFAST_SESSION_PEER_TALK_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/yields.h"

namespace holdfast::session {

class Sessions;

inline constexpr std::string_view kYieldCommand = "session_yield";
inline constexpr size_t kPeerLineMax = 2000;

// How many of the keys fit a line; at least one.
size_t KeysOfALine(std::span<const std::string> keys);
std::string YieldLine(std::string_view token, uint32_t asker, std::span<const std::string> keys);
// The reply's answers, one a key; empty when it is none.
std::vector<YieldAnswer> ReadYieldReply(std::string_view line, size_t keys);

// What to reply to a line that begins with kYieldCommand.
std::string AnswerPeer(Sessions& sessions, std::string_view line);

// A way to another server. Blocks; called from one thread.
class Peers {
 public:
  virtual ~Peers() = default;
  // Whether it has let go of all of them within the time. address: host:port.
  virtual bool Yield(const std::string& address, const std::string& token, uint32_t asker,
                     std::span<const std::string> keys, uint32_t timeout_ms) = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_PEER_TALK_H_
