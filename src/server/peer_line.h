// peer_line.h - asks other servers over TCP to let go of sessions (session/peer_talk.h says what is said).
//
// Threads: one at a time (the session module's asker).
// Owns:    a connection to each server that was asked, until it fails.
// Blocks:  Yield, up to its time.
// Errors:  every failure is "it has not let go"; the connection is opened anew the next time.
// Limits:  kConnectionsMax connections, then all are closed.

#ifndef HOLDFAST_SERVER_PEER_LINE_H_
#define HOLDFAST_SERVER_PEER_LINE_H_

#include <map>
#include <string>
#include <string_view>

#include "session/peer_talk.h"

namespace holdfast::server {

class PeerLine final : public session::Peers {
 public:
  PeerLine() = default;
  ~PeerLine() override;
  PeerLine(const PeerLine&) = delete;
  PeerLine& operator=(const PeerLine&) = delete;

  bool Yield(const std::string& address, const std::string& token, uint32_t asker, std::span<const std::string> keys,
             uint32_t timeout_ms) override;

 private:
  static constexpr size_t kConnectionsMax = 64;

  int Connect(const std::string& address, int64_t end_us);
  bool Converse(int socket, const std::string& line, int64_t end_us, std::string* reply);
  void Close(const std::string& address);

  std::map<std::string, int> sockets_;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_PEER_LINE_H_
