// How it works: "name value" in each line, in one order. A file that is not whole says nothing.

#include "server/known_database.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string_view>

#include "session/stamp.h"

namespace holdfast::server {

namespace {

constexpr const char* kTitle = "# What holdfast knew of its database when it could last ask it.";

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Takes the next line, which must begin with this name.
bool Take(std::istream& from, std::string_view name, std::string* value) {
  std::string line;
  if (!std::getline(from, line) || !line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') {
    return false;
  }
  *value = line.substr(name.size() + 1);
  return !value->empty();
}

template <class T>
bool Take(std::istream& from, std::string_view name, T* number) {
  std::string text;
  if (!Take(from, name, &text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<Remembered> RecallDatabase(const std::string& path, const std::string& place) {
  std::ifstream file(path);
  std::string title, known_place;
  Remembered known;
  session::DatabaseIdentity& identity = known.database.identity;
  const bool whole = std::getline(file, title) && title == kTitle && Take(file, "place", &known_place) &&
                     Take(file, "schema", &identity.schema_version) && Take(file, "uuid", &identity.uuid) &&
                     Take(file, "generation", &identity.generation) &&
                     Take(file, "value_bytes_max", &known.database.value_bytes_max) &&
                     Take(file, "node", &known.lease.number) && Take(file, "node_since", &known.lease.started_us);
  const bool is_number = known.lease.number > 0 && known.lease.number < session::kNodesMax;
  if (!whole || !is_number || known_place != place) return std::nullopt;
  return known;
}

base::Status RememberDatabase(const std::string& path, const std::string& place, const Remembered& remembered) {
  const std::string what = "cannot write " + path;
  const std::string draft = path + ".new";
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(draft.c_str(), "we"));
  if (file == nullptr) return base::SystemError(what, errno);
  const session::DatabaseIdentity& identity = remembered.database.identity;
  std::fprintf(file.get(),
               "%s\nplace %s\nschema %d\nuuid %s\ngeneration %llu\nvalue_bytes_max %llu\nnode %u\nnode_since %lld\n",
               kTitle, place.c_str(), identity.schema_version, identity.uuid.c_str(),
               static_cast<unsigned long long>(identity.generation),
               static_cast<unsigned long long>(remembered.database.value_bytes_max), remembered.lease.number,
               static_cast<long long>(remembered.lease.started_us));
  bool written = std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0;
  written = std::fclose(file.release()) == 0 && written;
  if (written && std::rename(draft.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  ::unlink(draft.c_str());
  return base::SystemError(what, error);
}

}  // namespace holdfast::server
