// How the library throws: every failure that a user, a model or a device can cause is an Error; asserts are for our own
// bugs. Each front door converts it once: the command line to exit code 1, Python to an exception.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "sluice/error.h"

namespace sluice {

// Throws an Error with a formatted message: fail("matmul_nbits", "block_size must be ..., got {}", n).
template <class... Args>
[[noreturn]] void fail(std::string_view tag, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(tag, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace sluice
