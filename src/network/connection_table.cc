#include "network/connection_table.h"

#include "base/check.h"
#include "base/clock.h"
#include "network/socket_connection.h"

namespace holdfast::network {
namespace {

constexpr size_t kFirstBuckets = 64;

}  // namespace

// Connections keep their ids when they move to another process, and what is known of one that is gone stays known by
// its id. So the sequence begins above all that a process before this one can have given out: nobody accepts one a
// microsecond. 48 bits of microseconds are nine years without a start of the machine.
ConnectionTable::ConnectionTable(int worker_index)
    : worker_index_(static_cast<uint64_t>(worker_index)), buckets_(kFirstBuckets) {
  CHECK(worker_index >= 0 && worker_index < 1 << kWorkerBits);
  sequence_ = static_cast<uint64_t>(base::MonotonicMicros());
}

void ConnectionTable::Add(SocketConnection& connection) {
  if (size_ == buckets_.size()) Grow();
  SocketConnection*& head = buckets_[BucketOf(connection.id())];
  connection.next_in_bucket_ = head;
  head = &connection;
  ++size_;
}

void ConnectionTable::Remove(SocketConnection& connection) {
  SocketConnection** link = &buckets_[BucketOf(connection.id())];
  while (*link != &connection) {
    CHECK(*link != nullptr);
    link = &(*link)->next_in_bucket_;
  }
  *link = connection.next_in_bucket_;
  --size_;
}

SocketConnection* ConnectionTable::Find(uint64_t id) const {
  SocketConnection* at = buckets_[BucketOf(id)];
  while (at != nullptr && at->id() != id) at = at->next_in_bucket_;
  return at;
}

void ConnectionTable::ForEach(const std::function<void(SocketConnection&)>& visit) const {
  for (SocketConnection* at : buckets_) {
    for (; at != nullptr; at = at->next_in_bucket_) visit(*at);
  }
}

void ConnectionTable::Grow() {
  std::vector<SocketConnection*> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (SocketConnection* at : old) {
    while (at != nullptr) {
      SocketConnection* const next = at->next_in_bucket_;
      SocketConnection*& head = buckets_[BucketOf(at->id())];
      at->next_in_bucket_ = head;
      head = at;
      at = next;
    }
  }
}

}  // namespace holdfast::network
