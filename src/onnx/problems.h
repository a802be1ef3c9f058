// Collects the broken rules of one file, so that a person sees all of them at once.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace sluice::onnx {

// Thrown where a rule is broken, caught where it is known what part of the file is to blame.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void broken(fmt::format_string<Args...> format, Args&&... args) {
  throw Broken(fmt::format(format, std::forward<Args>(args)...));
}

class Problems {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (++count_ <= kMaxListed) lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  bool empty() const { return count_ == 0; }

  // Throws one Error with a line for each problem, if there is any.
  void throw_if_any(const std::string& file) const {
    if (empty()) return;
    const std::string more = count_ > kMaxListed ? fmt::format("\n  and {} more", count_ - kMaxListed) : "";
    fail("onnx", "{}:\n  {}{}", file, fmt::join(lines_, "\n  "), more);
  }

 private:
  static constexpr size_t kMaxListed = 50;
  size_t count_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace sluice::onnx
