// Whoever turns has_mail_ from false to true writes to the eventfd, unless it is the owner, who looks at has_mail_
// before it waits. So a burst of mail costs one system call, and the owner's own mail none.

#include "network/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace holdfast::network {

Mailbox::~Mailbox() {
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

base::Status Mailbox::Open() {
  wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return base::SystemError("eventfd", errno);
  return {};
}

void Mailbox::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    mail_.tasks.push_back(std::move(task));
  }
  Wake();
}

void Mailbox::Resume(uint64_t connection_id) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    mail_.resumed.push_back(connection_id);
  }
  Wake();
}

void Mailbox::Adopt(Arrival arrival) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    mail_.arrivals.push_back(std::move(arrival));
  }
  Wake();
}

void Mailbox::Wake() {
  if (has_mail_.exchange(true) || OnOwner()) return;
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

void Mailbox::Close() {
  Mail left;  // destroyed without the lock: a task may own what posts
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    std::swap(mail_, left);
  }
}

void Mailbox::Take(Mail& mail) {
  has_mail_.store(false);  // before the swap: what comes after it signals anew
  const std::lock_guard lock(mutex_);
  std::swap(mail_, mail);
}

}  // namespace holdfast::network
