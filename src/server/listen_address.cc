// How it works: prefixes are taken off the front, in any order, until an address is left. A tag means something to
// memcached's proxy only, and notls something where there is TLS: both are taken and forgotten.

#include "server/listen_address.h"

#include <array>
#include <utility>

#include "network/listen_socket.h"

namespace holdfast::server {

namespace {

using base::ErrorKind;
using base::Status;

// What stands in brackets behind `word`, or between underscores ("tag_x_"), taken off the front of *text together with
// the colon behind it. Empty: *text does not begin so.
std::optional<std::string> TakeBracketed(std::string_view word, std::string_view* text) {
  if (!text->starts_with(word) || text->size() <= word.size()) return std::nullopt;
  const char opens = (*text)[word.size()];
  if (opens != '[' && opens != '_') return std::nullopt;
  const size_t begin = word.size() + 1, end = text->find(opens == '[' ? ']' : '_', begin);
  if (end == std::string_view::npos) return std::nullopt;
  std::string inside(text->substr(begin, end - begin));
  text->remove_prefix(end + 1);
  if (text->starts_with(':')) text->remove_prefix(1);
  return inside;
}

base::Result<std::optional<WireProtocol>> ProtocolOf(const std::string& name) {
  using Named = std::pair<const char*, WireProtocol>;
  constexpr std::array<Named, 3> kNames = {
      Named{"ascii", WireProtocol::kAscii}, {"binary", WireProtocol::kBinary}, {"negotiating", WireProtocol::kAuto}};
  for (const auto& [known, protocol] : kNames) {
    if (name == known) return std::optional(protocol);
  }
  if (name == "proxy") return std::optional<WireProtocol>();
  return Status(ErrorKind::kUsage, "proto[" + name + "] is none of ascii, binary, negotiating and proxy");
}

}  // namespace

base::Result<ListenAddress> ParseListenAddress(std::string_view text) {
  ListenAddress listen;
  for (;;) {
    if (text.starts_with("notls:")) {
      text.remove_prefix(std::string_view("notls:").size());
    } else if (text.starts_with("btls:") || text.starts_with("mtls:")) {
      return Status(ErrorKind::kUsage, std::string(text.substr(0, 4)) +
                                           " asks for TLS, which does not work yet, and what asks for security is "
                                           "never ignored");
    } else if (TakeBracketed("tag", &text)) {
      continue;
    } else if (const auto name = TakeBracketed("proto", &text)) {
      auto protocol = ProtocolOf(*name);
      if (!protocol.ok()) return protocol.status();
      listen.protocol = protocol.value();
    } else {
      break;
    }
  }
  if (text.find('[', 1) != std::string_view::npos) {
    return Status(ErrorKind::kUsage,
                  "-l " + std::string(text) + ": not an address, and not one of memcached's prefixes");
  }
  if (auto parsed = network::ParseAddress(text); !parsed.ok()) return parsed.status();
  listen.address = text;
  return listen;
}

}  // namespace holdfast::server
