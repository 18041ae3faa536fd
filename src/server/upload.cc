// How it works: the value fills block after block; what comes behind it (two bytes in the text syntaxes) is kept apart
// and checked at the end.

#include "server/upload.h"

#include <algorithm>
#include <cstring>

namespace holdfast::server {

Upload::Upload(const protocol::Request& request, std::string_view head, base::BlockPool& pool)
    : request_(request), head_(head), pool_(pool) {
  request_.KeepText(&text_);
}

Upload::~Upload() {
  for (char* block : blocks_) pool_.Give(block);
}

bool Upload::Take(std::string_view input, size_t* taken) {
  *taken = 0;
  while (!input.empty() && missing_bytes() > 0) {
    size_t n = 0;
    if (received_bytes_ < request_.value_size) {
      const size_t offset = received_bytes_ % base::kBlockBytes;
      if (offset == 0) {
        char* const block = pool_.TakeForLong();
        if (block == nullptr) return false;
        blocks_.push_back(block);
      }
      n = std::min(
          {input.size(), base::kBlockBytes - offset, static_cast<size_t>(request_.value_size - received_bytes_)});
      std::memcpy(blocks_.back() + offset, input.data(), n);
    } else {
      n = std::min<size_t>(input.size(), missing_bytes());
      terminator_.append(input.substr(0, n));
    }
    input.remove_prefix(n);
    received_bytes_ += n;
    *taken += n;
  }
  return true;
}

void Upload::CopyReceived(std::string* to) const {
  to->append(head_);
  uint64_t left = std::min<uint64_t>(received_bytes_, request_.value_size);
  for (const char* block : blocks_) {
    const size_t n = std::min<uint64_t>(left, base::kBlockBytes);
    to->append(block, n);
    left -= n;
  }
  to->append(terminator_);
}

void Upload::Finish() {
  uint64_t left = request_.value_size;
  for (const char* block : blocks_) {
    pieces_.emplace_back(block, std::min<uint64_t>(left, base::kBlockBytes));
    left -= pieces_.back().size();
  }
  request_.value = pieces_;
  protocol::FinishUpload(terminator_, &request_);
}

}  // namespace holdfast::server
