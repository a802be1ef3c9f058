// The one error type of Sluice.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

// Whatever a user, a model or a device can cause. what() reads "[tag] message"; the tag names the component or operator
// that refuses, the message the rule, the limit and the value.
class Error : public std::runtime_error {
 public:
  Error(std::string_view tag, std::string_view message) : std::runtime_error(text(tag, message)) {}

 private:
  static std::string text(std::string_view tag, std::string_view message) {
    std::string result = "[";
    return result.append(tag).append("] ").append(message);
  }
};

}  // namespace sluice
