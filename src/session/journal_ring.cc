// How it works: head and tail are positions that only grow; a position's place is its remainder by the size. A writer
// takes room under the lock: it clears the record's check and writes its length there, then moves the head. The bytes
// follow outside the lock, the check last. A record never crosses the ring's end: a filler takes what is left there.

#include "session/journal_ring.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/check.h"

namespace holdfast::session {

namespace {

constexpr char kMagic[8] = {'H', 'F', 'R', 'I', 'N', 'G', '0', '3'};
constexpr size_t kMagicOfAnyFormBytes = 6;  // the form's number follows
constexpr size_t kHeadBytes = 4096;
constexpr size_t kUuidBytes = 64;

std::atomic<uint64_t>& CheckAt(char* record) { return *reinterpret_cast<std::atomic<uint64_t>*>(record); }

void WriteLength(char* record, uint32_t bytes, uint8_t kind) {
  CheckAt(record).store(0, std::memory_order_relaxed);
  std::memcpy(record + offsetof(RecordHead, bytes), &bytes, sizeof bytes);
  std::memcpy(record + offsetof(RecordHead, kind), &kind, sizeof kind);
}

}  // namespace

struct JournalRing::Head {
  char magic[sizeof kMagic];
  uint64_t bytes;
  char uuid[kUuidBytes];
  std::atomic<uint64_t> head;
  std::atomic<uint64_t> tail;
  uint64_t seed;
  JournalBoot boot;  // when the seed was drawn
};

// The lock goes with the process, however that ends.
base::Result<int> JournalRing::OpenLocked(const std::string& path) {
  for (;;) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
      return base::SystemError("cannot open the journal's shared memory " + path, errno,
                               "give the user of the server access to it; it is that of the server that ran here last");
    }
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(file);
      if (error != EWOULDBLOCK) return base::SystemError("cannot lock the journal's shared memory " + path, error);
      return base::Status(base::ErrorKind::kRefused,
                          path +
                              " is in use by another server: stop that one. A copy of a database keeps its name and "
                              "cannot run beside it with a journal");
    }
    struct stat status {};
    if (::fstat(file, &status) == 0 && status.st_nlink > 0) return file;
    ::close(file);  // its server has just removed it
  }
}

base::Result<std::unique_ptr<JournalRing>> JournalRing::Open(const std::string& path, const std::string& database_uuid,
                                                             size_t bytes, const base::Clock& clock,
                                                             std::string* left_over, JournalBoot* left_over_boot) {
  static_assert(sizeof(Head) <= kHeadBytes);
  const auto opened = OpenLocked(path);
  if (!opened.ok()) return opened.status();
  const int file = opened.value();
  struct stat status {};
  ::fstat(file, &status);
  // The head's first bytes are written last: without them its maker did not get so far, and nothing is in it.
  char magic[sizeof kMagic] = {};
  const bool is_new = ::pread(file, magic, sizeof magic, 0) <= 0 ||
                      std::all_of(std::begin(magic), std::end(magic), [](char byte) { return byte == 0; });
  if (!is_new && static_cast<size_t>(status.st_size) > kHeadBytes)
    bytes = static_cast<size_t>(status.st_size) - kHeadBytes;
  // Room is taken now: a full file system must not end the process in the middle of a store.
  int error = is_new && ::ftruncate(file, 0) != 0 ? errno : 0;
  if (error == 0) error = ::posix_fallocate(file, 0, static_cast<off_t>(kHeadBytes + bytes));
  if (error != 0) {
    if (is_new) ::unlink(path.c_str());
    ::close(file);
    return base::SystemError(
        "no room for the journal's shared memory " + path + " (" + std::to_string(bytes >> 20) + " MB)", error,
        "make room there, or give a smaller --journal-memory");
  }
  void* const mapping = ::mmap(nullptr, kHeadBytes + bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (mapping == MAP_FAILED) {
    error = errno;
    ::close(file);
    return base::SystemError("cannot map the journal's shared memory " + path, error);
  }
  std::unique_ptr<JournalRing> ring(new JournalRing(path, file, static_cast<char*>(mapping), bytes, clock));
  Head& head = *ring->head_;
  if (is_new) {
    head.bytes = bytes;
    std::strncpy(head.uuid, database_uuid.c_str(), kUuidBytes - 1);
    ring->Reset();
    // A killed process leaves its stores in program order: only the compiler could change that.
    std::atomic_signal_fence(std::memory_order_release);
    std::memcpy(head.magic, kMagic, sizeof kMagic);
  } else if (std::memcmp(head.magic, kMagic, kMagicOfAnyFormBytes) == 0 &&
             std::memcmp(head.magic, kMagic, sizeof kMagic) != 0) {
    return base::Status(base::ErrorKind::kRefused,
                        path +
                            " is the shared memory of another version's journal: start the version that made it and "
                            "stop it with SIGTERM, which leaves none");
  } else if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 ||
             database_uuid != std::string_view(head.uuid, ::strnlen(head.uuid, kUuidBytes))) {
    return base::Status(base::ErrorKind::kRefused,
                        path +
                            " is not the shared memory of this database's journal: if no other server uses "
                            "it, move it away");
  } else if (!ring->IsSound(bytes)) {
    return base::Status(base::ErrorKind::kCorrupt,
                        path +
                            " is damaged and was left as found: move it away to start without what it holds, the "
                            "last writes before the server ended");
  }
  *left_over = ring->CollectWhole();
  *left_over_boot = head.boot;
  return ring;
}

base::Result<std::unique_ptr<JournalRing>> JournalRing::Inherit(const std::string& path, int file,
                                                                const std::string& database_uuid,
                                                                const base::Clock& clock) {
  struct stat status {};
  char head[offsetof(Head, head)] = {};
  const bool read = ::fstat(file, &status) == 0 && status.st_size > static_cast<off_t>(kHeadBytes) &&
                    ::pread(file, head, sizeof head, 0) == static_cast<ssize_t>(sizeof head);
  const size_t bytes = read ? static_cast<size_t>(status.st_size) - kHeadBytes : 0;
  uint64_t bytes_told;
  std::memcpy(&bytes_told, head + offsetof(Head, bytes), sizeof bytes_told);
  const char* const uuid = head + offsetof(Head, uuid);
  if (!read || std::memcmp(head, kMagic, sizeof kMagic) != 0 || bytes_told != bytes ||
      database_uuid != std::string_view(uuid, ::strnlen(uuid, kUuidBytes))) {
    ::close(file);
    return base::Status(base::ErrorKind::kRefused,
                        "the server that hands over has another form of journal: stop it and start anew");
  }
  void* const mapping = ::mmap(nullptr, kHeadBytes + bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (mapping == MAP_FAILED) {
    const int error = errno;
    ::close(file);
    return base::SystemError("cannot map the journal's shared memory " + path, error);
  }
  return std::unique_ptr<JournalRing>(new JournalRing(path, file, static_cast<char*>(mapping), bytes, clock));
}

bool JournalRing::Collect(std::string* whole) const {
  if (!IsSound(bytes_)) return false;
  *whole = CollectWhole();
  return true;
}

JournalRing::JournalRing(std::string path, int file, char* mapping, size_t bytes, const base::Clock& clock)
    : path_(std::move(path)),
      file_(file),
      head_(reinterpret_cast<Head*>(mapping)),
      data_(mapping + kHeadBytes),
      bytes_(bytes),
      clock_(clock),
      seed_(head_->seed) {}

JournalRing::~JournalRing() {
  ::munmap(head_, kHeadBytes + bytes_);
  ::close(file_);
}

bool JournalRing::IsSound(size_t bytes) const {
  const uint64_t tail = head_->tail.load(), head = head_->head.load();
  return head_->bytes == bytes && bytes % kRecordAlignment == 0 && tail % kRecordAlignment == 0 &&
         head % kRecordAlignment == 0 && tail <= head && head - tail <= bytes;
}

// Records of a process that is gone, or writes no more. One that is not whole was never acknowledged; its length leads
// to the next.
std::string JournalRing::CollectWhole() const {
  std::string whole;
  uint64_t position = head_->tail.load();
  const uint64_t end = head_->head.load();
  while (position < end && end - position <= bytes_) {
    const size_t offset = position % bytes_;
    const std::string_view here(data_ + offset, std::min<uint64_t>(bytes_ - offset, end - position));
    const size_t claimed = ClaimedBytes(here);
    if (claimed == 0) break;
    CopyRecords(here.substr(0, claimed), seed_ + position, {}, &whole, 0, Cover::kHead);
    position += claimed;
  }
  return whole;
}

bool JournalRing::Append(const JournalRecord& record) {
  const size_t bytes = RecordBytes(record);
  if (bytes > record_bytes_max()) return false;
  char* to = nullptr;
  uint64_t seed = 0;
  {
    const std::lock_guard guard(lock_);
    const uint64_t position = head_->head.load(std::memory_order_relaxed);
    const size_t offset = position % bytes_, left = bytes_ - offset;
    const size_t filler = left < bytes ? left : 0;
    if (position + filler + bytes - head_->tail.load(std::memory_order_acquire) > bytes_) return false;
    if (filler != 0) {
      WriteLength(data_ + offset, static_cast<uint32_t>(filler), kRecordFiller);
      CheckAt(data_ + offset).store(1, std::memory_order_release);
    }
    to = filler != 0 ? data_ : data_ + offset;
    seed = seed_ + position + filler;
    WriteLength(to, static_cast<uint32_t>(bytes), static_cast<uint8_t>(record.kind));
    head_->head.store(position + filler + bytes, std::memory_order_release);
  }
  CheckAt(to).store(EncodeRecord(record, clock_, seed, to), std::memory_order_release);
  FetchForWriting(to + bytes, bytes);
  return true;
}

// What comes next is likely as long as this. The ring is much larger than the processor's caches, and who waits for its
// lines is the next atomic operation.
void JournalRing::FetchForWriting(const char* from, size_t bytes) const {
  constexpr size_t kLine = 64, kBytesMax = 4096;
  const char* const end = std::min(from + std::min(bytes, kBytesMax), static_cast<const char*>(data_) + bytes_);
  for (; from < end; from += kLine) __builtin_prefetch(from, 1);
}

uint64_t JournalRing::seed_at_tail() const { return seed_ + head_->tail.load(std::memory_order_relaxed); }

std::string_view JournalRing::Peek(size_t bytes_max,
                                   const std::function<void(std::string_view record, size_t offset)>& visit) const {
  uint64_t position = head_->tail.load(std::memory_order_relaxed);
  const uint64_t end = head_->head.load(std::memory_order_acquire);
  const size_t begin = position % bytes_;
  size_t offset = begin;
  while (position < end && offset < bytes_ && offset - begin < bytes_max) {
    char* const record = data_ + offset;
    if (CheckAt(record).load(std::memory_order_acquire) == 0) break;
    uint32_t bytes;
    std::memcpy(&bytes, record + offsetof(RecordHead, bytes), sizeof bytes);
    // Records of a site are of a size, mostly; they were written long ago.
    __builtin_prefetch(record + size_t{4} * bytes);
    __builtin_prefetch(record + size_t{4} * bytes + sizeof(RecordHead));
    if (visit) visit({record, bytes}, offset - begin);
    position += bytes;
    offset += bytes;
  }
  return {data_ + begin, offset - begin};
}

void JournalRing::Consume(size_t bytes) { head_->tail.fetch_add(bytes, std::memory_order_release); }

uint64_t JournalRing::bytes_waiting() const {
  return head_->head.load(std::memory_order_relaxed) - head_->tail.load(std::memory_order_relaxed);
}

uint64_t JournalRing::end() const { return head_->head.load(std::memory_order_acquire); }

bool JournalRing::HasRead(uint64_t end) const { return head_->tail.load(std::memory_order_relaxed) >= end; }

void JournalRing::Reset() {
  head_->tail.store(head_->head.load());
  head_->seed = seed_ = NewSeed();
  head_->boot = JournalBoot::Now(clock_);
}

void JournalRing::Remove() { ::unlink(path_.c_str()); }

}  // namespace holdfast::session
