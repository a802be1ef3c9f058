#include "shader/condition.h"

#include <cctype>
#include <charconv>

#include "base/error.h"

namespace sluice::shader {
namespace {

class Condition {
 public:
  Condition(std::string_view text, const Defines& defines, const std::string& place)
      : text_(text), rest_(text), defines_(defines), place_(place) {}

  bool evaluate() {
    bool any = false, all = term();
    for (;;) {
      if (accept("&&")) {
        const bool value = term();
        all = all && value;
      } else if (accept("||")) {
        any = any || all;
        all = term();
      } else {
        break;
      }
    }
    if (!rest_.empty()) error("cannot read");
    return any || all;
  }

 private:
  bool term() {
    const bool negated = accept("!");
    const auto name = word();
    if (name.empty()) error("expected a name in");
    const DefinedValue& value = lookup(name);
    if (negated) return !truth(name, value);
    if (accept("==")) return equals(name, value);
    if (accept("!=")) return !equals(name, value);
    return truth(name, value);
  }

  const DefinedValue& lookup(std::string_view name) const {
    for (const auto& [key, value] : defines_) {
      if (key == name) return value;
    }
    fail("shader", "{}: {} is not defined, in #if {}", place_, name, text_);
  }

  bool truth(std::string_view name, const DefinedValue& value) const {
    if (const auto* number = std::get_if<uint32_t>(&value)) return *number != 0;
    fail("shader", "{}: {} is a type, compare it with == or !=, in #if {}", place_, name, text_);
  }

  bool equals(std::string_view name, const DefinedValue& value) {
    const auto right = word();
    if (right.empty()) error("expected a value in");
    if (const auto* type = std::get_if<std::string>(&value)) return *type == right;
    uint32_t number = 0;
    const auto digits = right.back() == 'u' ? right.substr(0, right.size() - 1) : right;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (code != std::errc() || end != digits.data() + digits.size()) {
      fail("shader", "{}: {} is a number and cannot equal {}, in #if {}", place_, name, right, text_);
    }
    return number == std::get<uint32_t>(value);
  }

  // A name, a number, or a type with its arguments: vec4<f16>.
  std::string_view word() {
    skip_space();
    size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) || rest_[length] == '_' ||
                                     rest_[length] == '<' || rest_[length] == '>')) {
      ++length;
    }
    const auto result = rest_.substr(0, length);
    rest_.remove_prefix(length);
    skip_space();
    return result;
  }

  bool accept(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token) || (token == "!" && rest_.starts_with("!="))) return false;
    rest_.remove_prefix(token.size());
    skip_space();
    return true;
  }

  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }

  [[noreturn]] void error(const char* what) const { fail("shader", "{}: {} #if {}", place_, what, text_); }

  std::string_view text_, rest_;
  const Defines& defines_;
  const std::string& place_;
};

}  // namespace

bool evaluate_condition(std::string_view expression, const Defines& defines, const std::string& place) {
  return Condition(expression, defines, place).evaluate();
}

}  // namespace sluice::shader
