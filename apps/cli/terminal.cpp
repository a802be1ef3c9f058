#include "terminal.h"

#include <atomic>
#include <csignal>
#include <cstdio>

#include "rust/sluice_progress.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace sluice::cli {

namespace {

std::atomic<bool> interrupted{false};

#ifdef _WIN32
bool is_terminal(std::FILE* file) { return _isatty(_fileno(file)) != 0; }
#else
bool is_terminal(std::FILE* file) { return isatty(fileno(file)) != 0; }
#endif

extern "C" void on_interrupt(int) {
  if (interrupted.exchange(true)) std::signal(SIGINT, SIG_DFL);
}

}  // namespace

struct ProgressBar::Bar {
  std::unique_ptr<SluiceProgress, void (*)(SluiceProgress*)> handle{nullptr, sluice_progress_free};
};

ProgressBar::ProgressBar(const std::string& what) : bar_(std::make_shared<Bar>()) {
  bar_->handle.reset(sluice_progress_new({what.data(), what.size()}));
}

void ProgressBar::operator()(uint64_t done, uint64_t total) const {
  if (bar_->handle) sluice_progress_update(bar_->handle.get(), done, total);
  if (done == total) bar_->handle.reset();
}

Interrupt::Interrupt() { std::signal(SIGINT, on_interrupt); }
Interrupt::~Interrupt() { std::signal(SIGINT, SIG_DFL); }
bool Interrupt::requested() { return interrupted; }
void Interrupt::clear() { interrupted = false; }

bool is_terminal_input() { return is_terminal(stdin); }

}  // namespace sluice::cli
