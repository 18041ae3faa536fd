// How it works: a segment is a head and records. The head has the database's uuid, the seed of the records' checks and
// the machine's run that it was begun in. Reading one that is damaged goes on behind the damage: at every 16 bytes it
// looks for a record whose check is right. A head that is damaged, or was never written to the disk, leaves nothing to
// read: without the seed no record can be told from what was in those blocks before.
//
// The file of a segment is kept open until what is in it has been synced, also when the next one has been begun.

#include "session/journal_segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace holdfast::session {

namespace {

constexpr char kMagic[] = "HFJRNL02";
constexpr size_t kMagicBytes = sizeof kMagic - 1;
constexpr std::string_view kMagicOfAnyForm = "HFJRNL";
constexpr size_t kUuidBytes = 64;
constexpr size_t kReadBytes = 256u << 10;
constexpr size_t kStep = 16;  // records begin at multiples of this
constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kAccessRemedy = "give the user of the server access, or give another --journal";

struct SegmentHead {
  char magic[kMagicBytes];
  char uuid[kUuidBytes];
  uint64_t seed;
  JournalBoot boot;
  char spare[24];
  uint64_t check;  // of all before
};
constexpr size_t kHeadBytes = sizeof(SegmentHead);
static_assert(kHeadBytes == 128 && kHeadBytes % kStep == 0);

uint64_t CheckOf(const SegmentHead& head) { return XXH3_64bits(&head, offsetof(SegmentHead, check)); }

SegmentHead HeadOf(const std::string& uuid, const JournalBoot& boot) {
  SegmentHead head{};
  std::memcpy(head.magic, kMagic, kMagicBytes);
  std::memcpy(head.uuid, uuid.data(), std::min(uuid.size(), kUuidBytes));
  head.seed = NewSeed();
  head.boot = boot;
  head.check = CheckOf(head);
  return head;
}

std::string_view BytesOf(const SegmentHead& head) { return {reinterpret_cast<const char*>(&head), sizeof head}; }

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A segment's bytes from a place on, piece by piece: so little at a time stays in the processor's cache from the
// reading to the checking, and takes no new memory. All or an error: a record that could not be read must not count as
// one that is not there.
class SegmentReader {
 public:
  SegmentReader() = default;
  ~SegmentReader() {
    if (file_ >= 0) ::close(file_);
  }
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;

  base::Status Open(const std::string& path, uint64_t offset) {
    path_ = path;
    next_ = end_ = offset;
    file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (file_ < 0 || ::fstat(file_, &status) != 0) return base::SystemError("cannot read " + path, errno);
    end_ = std::max(offset, static_cast<uint64_t>(status.st_size));  // not what is written meanwhile
    return {};
  }

  bool at_end() const { return next_ == end_; }

  // *left is what is still wanted of the bytes read before, and then that and more behind it: as much again, so that a
  // record of any size is soon in hand.
  base::Status More(std::string_view* left) {
    const size_t kept = left->size();
    if (kept != 0) std::memmove(bytes_.data(), left->data(), kept);
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(end_ - next_, std::max(kReadBytes, kept)));
    if (bytes_.size() < kept + wanted) bytes_.resize(kept + wanted);
    size_t have = 0;
    while (have < wanted) {
      const ssize_t read = ::pread(file_, bytes_.data() + kept + have, wanted - have, static_cast<off_t>(next_ + have));
      if (read < 0 && errno != EINTR) return base::SystemError("cannot read " + path_, errno);
      if (read == 0) end_ = next_ + have;
      if (read == 0) break;
      if (read > 0) have += static_cast<size_t>(read);
    }
    next_ += have;
    *left = std::string_view(bytes_).substr(0, kept + have);
    return {};
  }

 private:
  std::string path_;
  int file_ = -1;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  std::string bytes_;
};

}  // namespace

base::Result<std::unique_ptr<JournalSegments>> JournalSegments::Open(const std::string& directory,
                                                                     const std::string& database_uuid,
                                                                     size_t segment_bytes, const base::Clock& clock,
                                                                     int inherited_lock) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::SystemError("cannot make the journal's directory " + directory, errno,
                             errno == ENOENT ? std::string_view("make the directory above it, or give another --journal")
                                             : kAccessRemedy);
  }
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return base::SystemError("the journal's directory " + directory + " cannot be written", errno, kAccessRemedy);
  }
  std::unique_ptr<JournalSegments> segments(new JournalSegments(directory, database_uuid, segment_bytes, clock));
  const base::Status locked = inherited_lock < 0 ? segments->Lock() : segments->Inherit(inherited_lock);
  if (!locked.ok()) return locked;
  if (base::Status status = segments->List(); !status.ok()) return status;
  if (inherited_lock < 0) segments->OpenUnsynced();
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
    if (base::Status status = ReadHead(segment); !status.ok()) return status;
  }
  if (!segments_.empty()) next_number_ = segments_.back().number + 1;
  return {};
}

// The process before may have been killed before it synced what it wrote: this one does it.
void JournalSegments::OpenUnsynced() {
  for (Segment& segment : segments_) {
    const std::string path = PathOf(segment.number);
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) continue;  // who reads it next will say why
    segment.file = std::make_shared<OpenFile>(descriptor, path);
    segment.synced = 0;
    directory_unsynced_ = true;
  }
}

base::Status JournalSegments::ReadHead(Segment& segment) const {
  const std::string path = PathOf(segment.number);
  SegmentHead head{};
  std::ifstream file(path, std::ios::binary);
  const bool has_head = static_cast<bool>(file.read(reinterpret_cast<char*>(&head), sizeof head));
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) segment.bytes = segment.synced = static_cast<uint64_t>(status.st_size);
  // One that ends before its head does was just begun when its process ended: there is nothing in it.
  if (!has_head) return {};
  const std::string_view magic(head.magic, kMagicBytes);
  if (magic.starts_with(kMagicOfAnyForm) && magic != kMagic) {
    return base::Status(base::ErrorKind::kRefused,
                        path + " is a journal of another version (form " +
                            std::string(magic.substr(kMagicOfAnyForm.size())) +
                            ", this server knows 02): start the version that wrote it and stop it with SIGTERM, which "
                            "leaves no journal");
  }
  // The machine stopped before it was on the disk.
  if (std::all_of(magic.begin(), magic.end(), [](char byte) { return byte == 0; })) return {};
  if (magic == kMagic && head.check != CheckOf(head)) return {};
  if (magic != kMagic || uuid_ != std::string_view(head.uuid, ::strnlen(head.uuid, kUuidBytes))) {
    return base::Status(base::ErrorKind::kRefused,
                        path +
                            " is not a journal of this database: move it away, or give back the "
                            "database that it belongs to");
  }
  segment.seed = head.seed;
  segment.of_this_boot = head.boot.IsNow(clock_);
  // A server that is started again and again must get rid of its old segments too.
  if (segment.of_this_boot) segment.begun_us = head.boot.begun_us;
  return {};
}

base::Status JournalSegments::Begin(const JournalBoot& boot) {
  const std::string path = PathOf(next_number_);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
  if (descriptor < 0) return base::SystemError("cannot begin " + path, errno);
  auto file = std::make_shared<OpenFile>(descriptor, path);
  const SegmentHead head = HeadOf(uuid_, boot);
  if (!WriteAll(descriptor, BytesOf(head))) {
    const int error = errno;
    ::unlink(path.c_str());
    return base::SystemError("cannot write " + path, error);
  }
  Segment segment{next_number_++, kHeadBytes, clock_.SteadyMicros()};
  segment.seed = head.seed;
  segment.of_this_boot = boot.IsNow(clock_);
  segment.file = std::move(file);
  segment.mark = mark_;
  segments_.push_back(std::move(segment));
  is_open_ = directory_unsynced_ = true;
  return {};
}

base::Status JournalSegments::Append(std::string_view records, uint64_t seed, std::span<const uint32_t> without,
                                     uint64_t* bad) {
  if (is_open_ && segments_.back().bytes >= segment_bytes_) Rotate();
  if (!is_open_) {
    if (base::Status status = Begin(JournalBoot::Now(clock_)); !status.ok()) return status;
  }
  Segment& segment = segments_.back();
  std::string bytes;
  bytes.reserve(records.size());
  const size_t torn = CopyRecords(records, seed, without, &bytes, segment.seed + segment.bytes, Cover::kAll);
  if (!WriteAll(segment.file->get(), bytes)) {
    const int error = errno;
    if (::ftruncate(segment.file->get(), static_cast<off_t>(segment.bytes)) != 0) Rotate();
    return base::SystemError("cannot write " + PathOf(segment.number), error);
  }
  *bad += torn;
  segment.bytes += bytes.size();
  place_ += bytes.size();
  return {};
}

base::Status JournalSegments::AppendFromBefore(std::string_view records, const JournalBoot& boot) {
  Rotate();
  if (base::Status status = Begin(boot); !status.ok()) return status;
  uint64_t bad = 0;  // they were whole
  base::Status status = Append(records, 0, {}, &bad);
  Rotate();
  return status;
}

bool JournalSegments::needs_sync() const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [](const Segment& segment) { return segment.file != nullptr && segment.synced < segment.bytes; });
}

SyncJob JournalSegments::JobToSync() const {
  SyncJob job;
  for (const Segment& segment : segments_) {
    if (segment.file != nullptr && segment.synced < segment.bytes) job.files.push_back(segment.file);
  }
  if (directory_unsynced_) job.directory = directory_;
  job.place = place_;
  return job;
}

// The bytes of a segment that were there at this place: all but those that came since, which are the last ones.
void JournalSegments::NoteSynced(uint64_t place) {
  uint64_t since = place_ - place;
  bool has_new_name = false;
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    const uint64_t records = segment->bytes - std::min<uint64_t>(segment->bytes, kHeadBytes);
    const uint64_t later = std::min(since, records);
    since -= later;
    if (segment->file == nullptr) continue;
    has_new_name = has_new_name || (later != 0 && later == records);
    segment->synced = segment->bytes - later;
    const bool takes_more = is_open_ && segment == segments_.rbegin();
    if (later == 0 && !takes_more) segment->file = nullptr;
  }
  synced_place_ = place;
  directory_unsynced_ = directory_unsynced_ && has_new_name;
}

void JournalSegments::Distrust() {
  Rotate();
  for (Segment& segment : segments_) segment.file = nullptr;
}

base::Status JournalSegments::Sync(const SyncFile& sync) {
  if (!needs_sync()) return {};
  const SyncJob job = JobToSync();
  base::Status status = job.Run(sync);
  if (status.ok()) {
    NoteSynced(job.place);
  } else {
    Distrust();
  }
  return status;
}

void JournalSegments::Rotate() { is_open_ = false; }

uint64_t JournalSegments::bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes;
  return bytes;
}

base::Status JournalSegments::RemoveOldest() {
  if (is_open(0)) Rotate();
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
  *offset = std::max<uint64_t>(*offset, kHeadBytes);
  SegmentReader reader;
  if (base::Status status = reader.Open(PathOf(segments_[i].number), *offset); !status.ok()) return status;
  const Segment& segment = segments_[i];
  if (segment.seed == 0) {
    if (!reader.at_end() && !while_written) ++*bad_extents;
    return {};
  }
  std::string_view left;
  bool in_bad_extent = false;
  while (!left.empty() || !reader.at_end()) {
    size_t step = std::min(kStep, left.size());
    if (const auto record = DecodeRecord(left, segment.seed + *offset, segment.of_this_boot, Cover::kAll)) {
      visit(*record);
      step = record->bytes;
      in_bad_extent = false;
    } else if (!reader.at_end()) {  // it may go on behind what has been read
      if (base::Status status = reader.More(&left); !status.ok()) return status;
      continue;
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
