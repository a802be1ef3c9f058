// Which copies between host and device a thread makes: for profiles, and for tests that forbid them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::gpu {

struct Transfer {
  bool to_host = false;
  std::string buffer;  // its label
  uint64_t bytes = 0;
  double microseconds = 0;  // of the host in the call; what it waits for the device is not in it
};

// Notes in `log` what this thread writes to buffers and reads back, while it lives. One at a time.
class TransferLog {
 public:
  explicit TransferLog(std::vector<Transfer>& log);
  ~TransferLog();
  TransferLog(const TransferLog&) = delete;
  TransferLog& operator=(const TransferLog&) = delete;
};

// A copy that is being made while it lives; noted if this thread has a log, which is all that is asked otherwise.
class TransferNote {
 public:
  TransferNote(bool to_host, const std::string& buffer, uint64_t bytes);
  ~TransferNote();
  TransferNote(const TransferNote&) = delete;
  TransferNote& operator=(const TransferNote&) = delete;

 private:
  std::vector<Transfer>* const log_;
  const bool to_host_;
  const std::string& buffer_;
  const uint64_t bytes_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace sluice::gpu
