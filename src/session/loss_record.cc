// How it works: the file has its whole page from the beginning, so that no later store needs room on the disk; a store
// of eight bytes is there or not, so a crash leaves nothing half done. A page whose magic is zero was being made when
// the process ended, and is made again.

#include "session/loss_record.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace holdfast::session {

namespace {

constexpr uint64_t kMagic = 0x3130'5353'4f4c'4648;  // "HFLOSS01"

struct File {
  explicit File(const std::string& path) : descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const int descriptor;
};

}  // namespace

LossRecord::LossRecord() : own_(std::make_unique<Page>()), page_(own_.get()) {}

LossRecord::~LossRecord() {
  if (own_ == nullptr) ::munmap(page_, kFileBytes);
}

base::Result<std::unique_ptr<LossRecord>> LossRecord::Open(const std::string& path) {
  const std::string what = "the record of lost sessions " + path;
  const File file(path);
  if (file.descriptor < 0) {
    return base::SystemError("cannot open " + what, errno, "give the user of the server access to it");
  }
  struct stat status {};
  if (::fstat(file.descriptor, &status) != 0) return base::SystemError("cannot open " + what, errno);
  if (status.st_size == 0) {
    if (const int error = ::posix_fallocate(file.descriptor, 0, kFileBytes); error != 0)
      return base::SystemError("cannot make " + what, error);
  } else if (status.st_size != static_cast<off_t>(kFileBytes)) {
    return base::Status(base::ErrorKind::kCorrupt, what + " is not one: move it away, or put its copy in its place");
  }
  void* const mapping = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
  if (mapping == MAP_FAILED) return base::SystemError("cannot map " + what, errno);
  auto record = std::make_unique<LossRecord>();
  record->own_.reset();
  record->page_ = std::launder(static_cast<Page*>(mapping));
  uint64_t magic = 0;
  if (record->page_->magic.compare_exchange_strong(magic, kMagic) || magic == kMagic) return record;
  return base::Status(base::ErrorKind::kCorrupt,
                      what + " is not one, or of another version: move it away, or put its copy in its place");
}

}  // namespace holdfast::session
