#include "gpu/transfers.h"

namespace sluice::gpu {

namespace {

thread_local std::vector<Transfer>* current_log = nullptr;

}  // namespace

TransferLog::TransferLog(std::vector<Transfer>& log) { current_log = &log; }
TransferLog::~TransferLog() { current_log = nullptr; }

TransferNote::TransferNote(bool to_host, const std::string& buffer, uint64_t bytes)
    : log_(current_log), to_host_(to_host), buffer_(buffer), bytes_(bytes) {
  if (log_ != nullptr) begin_ = std::chrono::steady_clock::now();
}

TransferNote::~TransferNote() {
  if (log_ == nullptr) return;
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin_;
  log_->push_back({to_host_, buffer_, bytes_, time.count()});
}

}  // namespace sluice::gpu
