// How it works: the URL is taken apart from both ends: scheme, then parameters behind "?", then user before "@", then
// the database behind "/", and what is left are the hosts. Decoding of %xx comes last, so that a coded separator is
// none.

#include "session/database_url.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <fstream>

#include "base/text.h"

namespace holdfast::session {

using base::ErrorKind;
using base::Result;
using base::Status;

namespace {

constexpr uint16_t kMysqlPort = 3306;
constexpr uint16_t kPostgresPort = 5432;
constexpr size_t kPasswordBytesMax = 4096;
constexpr const char* kPasswordVariable = "HOLDFAST_DATABASE_PASSWORD";

struct SchemeName {
  std::string_view name;
  DatabaseScheme scheme;
};
constexpr SchemeName kSchemes[] = {{"sqlite", DatabaseScheme::kSqlite},
                                   {"mysql", DatabaseScheme::kMysql},
                                   {"mariadb", DatabaseScheme::kMysql},
                                   {"postgres", DatabaseScheme::kPostgres},
                                   {"postgresql", DatabaseScheme::kPostgres}};

Status Wrong(const std::string& what) {
  return Status(ErrorKind::kUsage, what + "; it should be as mysql://user@host:3306,host2:3306/database");
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) return Wrong("the URL has a % that is not followed by two hex digits");
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Status ParsePort(std::string_view text, uint16_t* port) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > 65535) {
    return Wrong("the port of a host must be a number from 1 to 65535");
  }
  *port = static_cast<uint16_t>(value);
  return {};
}

Result<DatabaseHost> ParseHost(std::string_view text, uint16_t default_port) {
  DatabaseHost host;
  host.port = default_port;
  size_t name_end = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return Wrong("an IPv6 address lacks its ]");
    name_end = bracket + 1 < text.size() ? bracket + 1 : std::string_view::npos;
    if (name_end != std::string_view::npos && text[name_end] != ':') return Wrong("a : must stand before a port");
  } else if (text.find(':') != name_end) {
    return Wrong("an IPv6 address must be in brackets, as [::1]:3306");
  }
  if (name_end != std::string_view::npos) {
    if (Status status = ParsePort(text.substr(name_end + 1), &host.port); !status.ok()) return status;
    text = text.substr(0, name_end);
  }
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  Result<std::string> name = Decode(text);
  if (!name.ok()) return name.status();
  if (name.value().empty()) return Wrong("the URL names no host, or has an empty one in its list");
  host.name = std::move(name.value());
  return host;
}

Status ParseSeconds(std::string_view name, std::string_view text, uint32_t* seconds) {
  if (text.ends_with('s')) text.remove_suffix(1);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > 600) {
    return Wrong(std::string(name) + " must be a number of seconds from 1 to 600");
  }
  *seconds = value;
  return {};
}

Status ParseParameter(std::string_view text, DatabaseUrl* url) {
  const size_t equal = text.find('=');
  const std::string_view name = text.substr(0, equal);
  Result<std::string> decoded = Decode(equal == std::string_view::npos ? "" : text.substr(equal + 1));
  if (!decoded.ok()) return decoded.status();
  const std::string& value = decoded.value();
  if (name == "connect-timeout") return ParseSeconds(name, value, &url->connect_timeout_s);
  if (name == "timeout") return ParseSeconds(name, value, &url->timeout_s);
  std::string* const field = name == "tls-ca"     ? &url->tls_ca
                             : name == "tls-cert" ? &url->tls_cert
                             : name == "tls-key"  ? &url->tls_key
                                                  : nullptr;
  if (field == nullptr) {
    if (name == "password") return Wrong("a password does not belong in the URL: use --database-password-file");
    return Wrong("the URL has a parameter that is none of tls-ca, tls-cert, tls-key, connect-timeout, timeout");
  }
  if (value.empty()) return Wrong(std::string(name) + " needs the path of a file");
  *field = value;
  return {};
}

Status ParseUser(std::string_view text, DatabaseUrl* url) {
  if (text.find(':') != std::string_view::npos) {
    return Status(ErrorKind::kUsage,
                  "the URL holds a password, which everybody on this machine could read in the process list; put it "
                  "into a file of its own for --database-password-file, or into the environment as " +
                      std::string(kPasswordVariable));
  }
  Result<std::string> user = Decode(text);
  if (!user.ok()) return user.status();
  url->user = std::move(user.value());
  return {};
}

}  // namespace

std::string DatabaseHost::Text() const {
  if (is_socket()) return name;
  const bool six = name.find(':') != std::string::npos;
  return (six ? "[" + name + "]" : name) + ":" + std::to_string(port);
}

Result<DatabaseScheme> DatabaseSchemeOf(std::string_view url) {
  for (const SchemeName& scheme : kSchemes) {
    if (url.starts_with(scheme.name) && url.substr(scheme.name.size()).starts_with(':')) return scheme.scheme;
  }
  return Status(ErrorKind::kUsage,
                "the database must be given as sqlite:PATH, as mysql://user@host,host/database or as "
                "postgres://user@host/database");
}

Result<DatabaseUrl> DatabaseUrl::Parse(std::string_view text) {
  Result<DatabaseScheme> scheme = DatabaseSchemeOf(text);
  if (!scheme.ok()) return scheme.status();
  DatabaseUrl url;
  url.scheme = scheme.value();
  const size_t colon = text.find(':');
  text.remove_prefix(colon + 1);
  if (!text.starts_with("//")) return Wrong("// is missing behind the scheme of the URL");
  text.remove_prefix(2);

  if (const size_t question = text.find('?'); question != std::string_view::npos) {
    for (const std::string_view parameter : base::Split(text.substr(question + 1), '&')) {
      if (Status status = ParseParameter(parameter, &url); !status.ok()) return status;
    }
    text = text.substr(0, question);
  }
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return Wrong("the URL names no user");
  if (Status status = ParseUser(text.substr(0, at), &url); !status.ok()) return status;
  text.remove_prefix(at + 1);

  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash + 1 == text.size()) return Wrong("the URL names no database");
  Result<std::string> database = Decode(text.substr(slash + 1));
  if (!database.ok()) return database.status();
  url.database = std::move(database.value());

  const uint16_t port = url.scheme == DatabaseScheme::kPostgres ? kPostgresPort : kMysqlPort;
  for (const std::string_view part : base::Split(text.substr(0, slash), ',')) {
    Result<DatabaseHost> host = ParseHost(part, port);
    if (!host.ok()) return host.status();
    url.hosts.push_back(std::move(host.value()));
  }
  if (url.hosts.size() > kDatabaseHostsMax) return Wrong("the URL names more than 32 hosts");
  if (url.tls_cert.empty() != url.tls_key.empty()) return Wrong("tls-cert and tls-key go together");
  if (!url.tls_cert.empty() && url.tls_ca.empty()) return Wrong("tls-cert is of no use without tls-ca");
  return url;
}

std::string DatabaseUrl::Describe() const {
  std::vector<std::string> names;
  for (const DatabaseHost& host : hosts) names.push_back(host.Text());
  return std::string(scheme == DatabaseScheme::kPostgres ? "PostgreSQL" : "MySQL") + " database " + database + " at " +
         base::Join(names, ",") + (tls_ca.empty() ? "" : " (TLS)");
}

Result<std::string> ReadDatabasePassword(const SessionSettings& settings) {
  const std::string& path = settings.database_password_file;
  if (path.empty()) return settings.database_password;
  std::ifstream file(path, std::ios::binary);
  std::string password;
  if (!file || !std::getline(file, password)) {
    if (file.eof()) return Status(ErrorKind::kUsage, "password file " + path + ": is empty; put the password in it");
    return base::SystemError("password file " + path, errno, "the user of the server must be able to read it");
  }
  if (password.ends_with('\r')) password.pop_back();
  if (password.size() > kPasswordBytesMax) {
    return Status(ErrorKind::kUsage, "password file " + path + ": its first line is longer than any password");
  }
  return password;
}

}  // namespace holdfast::session
