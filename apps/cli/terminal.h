// What the commands need of the terminal: a progress bar, and Ctrl-C as a flag.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sluice::cli {

// A bar of bytes done, on stderr, if that is a terminal. Copies share one bar, which disappears when it is full.
class ProgressBar {
 public:
  explicit ProgressBar(const std::string& what);
  void operator()(uint64_t done, uint64_t total) const;

 private:
  struct Bar;
  std::shared_ptr<Bar> bar_;
};

// From construction on Ctrl-C sets a flag instead of ending the process; a second Ctrl-C ends it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  static bool requested();
  static void clear();
};

bool is_terminal_input();

}  // namespace sluice::cli
