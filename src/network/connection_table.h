// connection_table.h - a worker's connections by id.
//
// Ids are handed out in sequence, so the low bits of the sequence are a perfect hash: a chain is one connection long on
// average and the table costs 8 to 16 bytes a connection besides the link in it.
//
// Threads: one worker.
// Owns:    nothing; the worker deletes connections.

#ifndef HOLDFAST_NETWORK_CONNECTION_TABLE_H_
#define HOLDFAST_NETWORK_CONNECTION_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace holdfast::network {

class SocketConnection;

class ConnectionTable {
 public:
  explicit ConnectionTable(int worker_index);

  // Unique in the process for all time: 48 bits of sequence over 16 bits of worker.
  uint64_t NextId() { return ++sequence_ << kWorkerBits | worker_index_; }
  // Ids that this process gives out are above `id`, which another has given out.
  void Reserve(uint64_t id) { sequence_ = std::max(sequence_, id >> kWorkerBits); }
  void Add(SocketConnection& connection);
  void Remove(SocketConnection& connection);
  // Null when there is no such connection.
  SocketConnection* Find(uint64_t id) const;
  size_t size() const { return size_; }
  // Visits every connection. visit must neither add nor remove.
  void ForEach(const std::function<void(SocketConnection&)>& visit) const;

 private:
  static constexpr int kWorkerBits = 16;

  size_t BucketOf(uint64_t id) const { return (id >> kWorkerBits) & (buckets_.size() - 1); }
  void Grow();

  const uint64_t worker_index_;
  uint64_t sequence_ = 0;
  size_t size_ = 0;
  std::vector<SocketConnection*> buckets_;  // a power of two; chained by SocketConnection::next_in_bucket_
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_CONNECTION_TABLE_H_
