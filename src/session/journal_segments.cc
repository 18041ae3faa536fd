// How it works: a segment is a head of 64 bytes (magic, the database's uuid) and records. Reading one that is damaged
// goes on behind the damage: at every 16 bytes it looks for a record whose check is right.

#include "session/journal_segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace holdfast::session {

namespace {

constexpr char kMagic[] = "HFJRNL01";
constexpr size_t kMagicBytes = sizeof kMagic - 1;
constexpr std::string_view kMagicOfAnyForm = "HFJRNL";
constexpr size_t kHeadBytes = 64;
constexpr size_t kStep = 16;  // records begin at multiples of this
constexpr std::string_view kPrefix = "segment-";

std::string HeadOf(const std::string& uuid) {
  std::string head = kMagic + uuid;
  head.resize(kHeadBytes, '\0');
  return head;
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// All or an error: a record that could not be read must not count as one that is not there.
base::Status ReadFrom(const std::string& path, uint64_t offset, std::string* bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return base::SystemError("cannot read " + path, errno);
  struct stat status {};
  int error = ::fstat(file, &status) == 0 ? 0 : errno;
  const auto size = static_cast<uint64_t>(status.st_size);
  bytes->resize(error == 0 && size > offset ? static_cast<size_t>(size - offset) : 0);
  size_t have = 0;
  while (error == 0 && have < bytes->size()) {
    const auto at = static_cast<off_t>(offset + have);
    const ssize_t read = ::pread(file, bytes->data() + have, bytes->size() - have, at);
    if (read == 0) break;
    if (read > 0) have += static_cast<size_t>(read);
    if (read < 0 && errno != EINTR) error = errno;
  }
  ::close(file);
  bytes->resize(have);
  return error == 0 ? base::Status() : base::SystemError("cannot read " + path, error);
}

base::Status SyncDirectory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return base::SystemError("cannot open " + path, errno);
  const int result = ::fsync(directory);
  const int error = errno;
  ::close(directory);
  return result == 0 ? base::Status() : base::SystemError("cannot sync " + path, error);
}

}  // namespace

base::Result<std::unique_ptr<JournalSegments>> JournalSegments::Open(const std::string& directory,
                                                                     const std::string& database_uuid,
                                                                     size_t segment_bytes, const base::Clock& clock,
                                                                     int inherited_lock) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::SystemError("cannot make the journal's directory " + directory, errno);
  }
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return base::SystemError("the journal's directory " + directory + " cannot be written", errno);
  }
  std::unique_ptr<JournalSegments> segments(new JournalSegments(directory, database_uuid, segment_bytes, clock));
  const base::Status locked = inherited_lock < 0 ? segments->Lock() : segments->Inherit(inherited_lock);
  if (!locked.ok()) return locked;
  if (base::Status status = segments->List(); !status.ok()) return status;
  return segments;
}

JournalSegments::~JournalSegments() {
  Rotate();
  if (directory_file_ >= 0) ::close(directory_file_);
}

base::Status JournalSegments::Lock() {
  directory_file_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_file_ < 0) return base::SystemError("cannot open " + directory_, errno);
  if (::flock(directory_file_, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return base::SystemError("cannot lock the journal's directory " + directory_, errno);
  return base::Status(base::ErrorKind::kRefused,
                      "the journal's directory " + directory_ +
                          " is in use by another server: stop that one, or give this one a directory of its own");
}

base::Status JournalSegments::Inherit(int lock) {
  directory_file_ = lock;
  struct stat theirs {
  }, ours{};
  if (::fstat(lock, &theirs) != 0) return base::SystemError("the journal's directory " + directory_, errno);
  if (::stat(directory_.c_str(), &ours) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) return {};
  return base::Status(base::ErrorKind::kRefused,
                      "the journal's directory " + directory_ +
                          " is not that of the server that hands over: give the same --journal, or stop it and "
                          "start anew");
}

base::Status JournalSegments::Refresh() {
  Rotate();
  segments_.clear();
  return List();
}

std::string JournalSegments::PathOf(uint64_t number) const {
  char name[40];
  std::snprintf(name, sizeof name, "%.*s%012llu", static_cast<int>(kPrefix.size()), kPrefix.data(),
                static_cast<unsigned long long>(number));
  return directory_ + "/" + name;
}

base::Status JournalSegments::List() {
  const int64_t now_us = clock_.SteadyMicros();
  DIR* const directory = ::opendir(directory_.c_str());
  if (directory == nullptr) return base::SystemError("cannot list " + directory_, errno);
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kPrefix)) continue;
    segments_.push_back({std::strtoull(name.data() + kPrefix.size(), nullptr, 10), 0, now_us});
  }
  ::closedir(directory);
  std::sort(segments_.begin(), segments_.end(), [](const Segment& a, const Segment& b) { return a.number < b.number; });
  for (Segment& segment : segments_) {
    const std::string path = PathOf(segment.number);
    std::ifstream file(path, std::ios::binary);
    std::string head(kHeadBytes, '\0');
    const bool has_head = static_cast<bool>(file.read(head.data(), kHeadBytes));
    // One that ends before its head does was just begun when its process ended: there is nothing in it.
    if (has_head && head.starts_with(kMagicOfAnyForm) && !head.starts_with(kMagic)) {
      return base::Status(
          base::ErrorKind::kRefused,
          path + " is a journal of another version (form " +
              head.substr(kMagicOfAnyForm.size(), kMagicBytes - kMagicOfAnyForm.size()) +
              ", this server knows 01): start the version that wrote it and stop it with SIGTERM, which "
              "leaves no journal");
    }
    if (has_head && head != HeadOf(uuid_)) {
      return base::Status(base::ErrorKind::kRefused,
                          path +
                              " is not a journal of this database: move it away, or give back the "
                              "database that it belongs to");
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) segment.bytes = static_cast<uint64_t>(status.st_size);
  }
  if (!segments_.empty()) next_number_ = segments_.back().number + 1;
  return {};
}

base::Status JournalSegments::Begin() {
  const std::string path = PathOf(next_number_);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
  if (file < 0) return base::SystemError("cannot begin " + path, errno);
  if (!WriteAll(file, HeadOf(uuid_))) {
    const int error = errno;
    ::close(file);
    ::unlink(path.c_str());
    return base::SystemError("cannot write " + path, error);
  }
  file_ = file;
  segments_.push_back({next_number_++, kHeadBytes, clock_.SteadyMicros()});
  return SyncDirectory(directory_);
}

base::Status JournalSegments::Append(std::string_view records) {
  if (file_ >= 0 && segments_.back().bytes >= segment_bytes_) {
    if (base::Status status = Sync(); !status.ok()) return status;
    Rotate();
  }
  if (file_ < 0) {
    if (base::Status status = Begin(); !status.ok()) return status;
  }
  Segment& segment = segments_.back();
  if (!WriteAll(file_, records)) {
    const int error = errno;
    if (::ftruncate(file_, static_cast<off_t>(segment.bytes)) != 0) Rotate();
    return base::SystemError("cannot write " + PathOf(segment.number), error);
  }
  segment.bytes += records.size();
  unsynced_ = true;
  return {};
}

base::Status JournalSegments::Sync() {
  if (file_ < 0 || !unsynced_) return {};
  if (::fdatasync(file_) != 0) return base::SystemError("cannot sync " + PathOf(segments_.back().number), errno);
  unsynced_ = false;
  return {};
}

void JournalSegments::Rotate() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

uint64_t JournalSegments::bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes;
  return bytes;
}

base::Status JournalSegments::RemoveOldest() {
  if (oldest_is_open()) Rotate();
  const std::string path = PathOf(segments_.front().number);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return base::SystemError("cannot remove " + path, errno);
  segments_.pop_front();
  return {};
}

base::Status JournalSegments::ForEachRecord(size_t i, const std::function<void(const DecodedRecord&)>& visit,
                                            uint64_t* bad_extents) const {
  uint64_t offset = 0;
  return ForEachRecordFrom(i, &offset, false, visit, bad_extents);
}

base::Status JournalSegments::ForEachRecordFrom(size_t i, uint64_t* offset, bool while_written,
                                                const std::function<void(const DecodedRecord&)>& visit,
                                                uint64_t* bad_extents) const {
  const std::string path = PathOf(segments_[i].number);
  std::string bytes;
  *offset = std::max<uint64_t>(*offset, kHeadBytes);
  if (base::Status status = ReadFrom(path, *offset, &bytes); !status.ok()) return status;
  std::string_view left = bytes;
  bool in_bad_extent = false;
  while (!left.empty()) {
    const size_t claimed = ClaimedBytes(left);
    size_t step = std::min(kStep, left.size());
    if (const auto record = DecodeRecord(left)) {
      visit(*record);
      step = record->bytes;
      in_bad_extent = false;
    } else if (claimed != 0 && static_cast<uint8_t>(left[offsetof(RecordHead, kind)]) == kRecordFiller) {
      step = claimed;
    } else if (while_written) {
      break;
    } else if (!in_bad_extent) {
      in_bad_extent = true;
      ++*bad_extents;
    }
    left.remove_prefix(step);
    *offset += step;
  }
  return {};
}

}  // namespace holdfast::session
