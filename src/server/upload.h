// upload.h - a value on its way in that is too long for the input block: collected in private blocks, executed when it
// is whole.
//
// So a client that sends slowly, or stops, holds nothing but its own blocks, which count against --connection-memory.
//
// Threads: one worker.
// Owns:    its blocks, and the text of its request.
// Errors:  Take is false when there is no block left: the upload is to be given up and the rest skipped.

#ifndef HOLDFAST_SERVER_UPLOAD_H_
#define HOLDFAST_SERVER_UPLOAD_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "protocol/parse_result.h"
#include "protocol/request.h"

namespace holdfast::server {

class Upload {
 public:
  // request: as the parser left it; its text is copied. head: the bytes that it was parsed from.
  Upload(const protocol::Request& request, std::string_view head, base::BlockPool& pool);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  uint64_t missing_bytes() const { return protocol::UploadBytes(request_) - received_bytes_; }
  // Takes at most missing_bytes from the front of input and says how many.
  [[nodiscard]] bool Take(std::string_view input, size_t* taken);
  // Once, when nothing is missing: completes the request with its value.
  void Finish();
  uint64_t received_bytes() const { return received_bytes_; }
  // Appends all bytes of it, as they came.
  void CopyReceived(std::string* to) const;
  protocol::Request& request() { return request_; }

 private:
  protocol::Request request_;
  std::string text_;
  const std::string head_;
  base::BlockPool& pool_;
  std::vector<char*> blocks_;
  std::vector<std::string_view> pieces_;
  std::string terminator_;
  uint64_t received_bytes_ = 0;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_UPLOAD_H_
