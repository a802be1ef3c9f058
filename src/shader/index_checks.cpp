// A walk over the text from left to right that knows the type of the names it passes: no parser, since shaders that got
// so far are known to be well-formed, and what is not recognised is left alone.
#include "shader/index_checks.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>

#include "base/error.h"

namespace sluice::shader {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string without_comments(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    result.append(line.substr(0, line.find("//"))).push_back('\n');
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return result;
}

// Position behind the bracket that closes the one at `open`; '<' counts as a bracket where it opens one.
size_t behind_bracket(std::string_view text, size_t open) {
  const char opening = text[open];
  const char closing = opening == '(' ? ')' : opening == '[' ? ']' : opening == '{' ? '}' : '>';
  size_t depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    if (text[at] == opening) ++depth;
    if (text[at] == closing && --depth == 0) return at + 1;
  }
  return text.size();
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

size_t behind_word(std::string_view text, size_t at) {
  while (at < text.size() && is_word(text[at])) ++at;
  return at;
}

std::string_view word_at(std::string_view text, size_t at) { return text.substr(at, behind_word(text, at) - at); }

// A type with its arguments: array<vec4<u32>, N>.
std::string_view type_at(std::string_view text, size_t at) {
  size_t end = behind_word(text, at);
  if (end < text.size() && end > at && text[end] == '<') end = behind_bracket(text, end);
  return text.substr(at, end - at);
}

// The arguments of a type: "vec4<u32>" and "N".
std::vector<std::string_view> arguments(std::string_view type) {
  std::vector<std::string_view> result;
  const size_t open = type.find('<');
  if (open == std::string_view::npos) return result;
  size_t depth = 0, first = open + 1;
  for (size_t at = first; at + 1 < type.size(); ++at) {
    if (type[at] == '<' || type[at] == '(') ++depth;
    if (type[at] == '>' || type[at] == ')') --depth;
    if (type[at] != ',' || depth != 0) continue;
    result.push_back(type.substr(first, at - first));
    first = skip_space(type, at + 1);
  }
  if (first + 1 < type.size()) result.push_back(type.substr(first, type.size() - 1 - first));
  return result;
}

using Types = std::map<std::string, std::string, std::less<>>;

class Walk {
 public:
  Walk(std::string_view text, uint32_t first) : text_(text), first_(first) {
    find_globals();
    globals_ = variables_;
  }

  std::string run() { return part(0, text_.size()); }
  std::vector<std::string> places;

 private:
  // What lies in the text between two positions, its indices checked.
  std::string part(size_t at, size_t end);
  // The expression that begins at `at`, with a word or with (*pointer); `at` is moved behind it.
  std::string chain(size_t& at);
  std::string index(std::string_view base, std::string_view type, size_t open, size_t close);
  void find_globals();
  Types members(size_t open) const;
  void declare(size_t word);
  std::string type_of(size_t initialiser) const;
  std::string resolve(std::string_view type) const;
  std::string element(std::string_view type) const;
  std::string pointee(std::string_view type) const;
  bool is_pointer(size_t at) const;
  std::string known(const Types& types, std::string_view name) const;

  const std::string_view text_;
  const uint32_t first_;
  Types aliases_, results_, globals_, variables_;
  std::map<std::string, Types, std::less<>> structs_;
};

std::string Walk::known(const Types& types, std::string_view name) const {
  const auto found = types.find(name);
  return found == types.end() ? "" : found->second;
}

std::string Walk::resolve(std::string_view type) const {
  const std::string alias = known(aliases_, type);
  return alias.empty() ? std::string(type) : resolve(alias);
}

std::string Walk::element(std::string_view type) const {
  const auto args = arguments(type);
  if (type.starts_with("mat") && args.size() == 1) return fmt::format("vec{}<{}>", type.substr(5, 1), args[0]);
  return args.empty() ? "" : resolve(args[0]);
}

std::string Walk::pointee(std::string_view type) const {
  const auto args = arguments(type);
  return args.size() < 2 ? "" : resolve(args[1]);
}

// Whether (*pointer) stands there.
bool Walk::is_pointer(size_t at) const {
  if (text_.substr(at, 2) != "(*") return false;
  const size_t end = behind_word(text_, at + 2);
  return end > at + 2 && text_[end] == ')';
}

// Aliases, structs, results of functions, and the variables outside of functions, wherever they stand.
void Walk::find_globals() {
  size_t depth = 0;
  for (size_t at = 0; at < text_.size(); ++at) {
    if (text_[at] == '{') ++depth;
    if (text_[at] == '}') --depth;
    if (depth != 0 || !is_word(text_[at]) || (at > 0 && is_word(text_[at - 1]))) continue;
    const auto keyword = word_at(text_, at);
    size_t next = skip_space(text_, at + keyword.size());
    const auto name = std::string(word_at(text_, next));
    if (keyword == "alias") {
      aliases_[name] = type_at(text_, skip_space(text_, text_.find('=', next) + 1));
    } else if (keyword == "fn") {
      const size_t arrow = skip_space(text_, behind_bracket(text_, text_.find('(', next)));
      if (text_.substr(arrow, 2) == "->") results_[name] = type_at(text_, skip_space(text_, arrow + 2));
    } else if (keyword == "struct") {
      structs_[name] = members(text_.find('{', next));
    } else if (keyword == "var" || keyword == "const") {
      if (text_[next] == '<') next = skip_space(text_, behind_bracket(text_, next));
      declare(next);
    }
  }
}

// Of the struct whose bracket opens there.
Types Walk::members(size_t open) const {
  Types result;
  const size_t close = behind_bracket(text_, open);
  for (size_t colon = text_.find(':', open); colon < close; colon = text_.find(':', colon + 1)) {
    size_t name = colon;
    while (!is_word(text_[name])) --name;
    while (is_word(text_[name - 1])) --name;
    result[std::string(word_at(text_, name))] = type_at(text_, skip_space(text_, colon + 1));
  }
  return result;
}

// Notes the type of the name at `word` if ": type" or "= initialiser" follows; forgets another of that name.
void Walk::declare(size_t word) {
  const auto name = std::string(word_at(text_, word));
  const size_t next = skip_space(text_, word + name.size());
  if (text_[next] == ':') {
    variables_[name] = resolve(type_at(text_, skip_space(text_, next + 1)));
  } else if (text_[next] == '=' && text_[next + 1] != '=') {
    variables_[name] = type_of(skip_space(text_, next + 1));
  }
}

// Of a constructor or a call that is the whole initialiser, or of a variable.
std::string Walk::type_of(size_t initialiser) const {
  const auto type = type_at(text_, initialiser);
  const size_t next = initialiser + type.size();
  if (text_[next] == ';') return known(variables_, type);
  if (type.empty() || text_[next] != '(' || text_[skip_space(text_, behind_bracket(text_, next))] != ';') return "";
  const std::string result = known(results_, type);
  return resolve(result.empty() ? type : std::string_view(result));
}

std::string Walk::index(std::string_view base, std::string_view type, size_t open, size_t close) {
  const std::string inner = part(open + 1, close - 1);
  const auto args = arguments(type);
  std::string size;
  if (type.starts_with("array<")) {
    size = args.size() == 2 ? std::string(args[1]) : fmt::format("arrayLength(&{})", base);
  } else if (type.starts_with("vec") || type.starts_with("mat")) {
    size = type.substr(3, 1);
  }
  const bool literal = inner.find_first_not_of("0123456789u") == std::string::npos;
  if (size.empty() || (literal && !size.starts_with("arrayLength"))) return fmt::format("[{}]", inner);
  places.push_back(fmt::format("{}{}", base, text_.substr(open, close - open)));
  return fmt::format("[sluice_index(u32({}), u32({}), {}u)]", inner, size, first_ + places.size() - 1);
}

std::string Walk::chain(size_t& at) {
  const size_t begin = at;
  const bool pointer = text_[at] == '(';
  const auto name = word_at(text_, pointer ? at + 2 : at);
  at += pointer ? name.size() + 3 : name.size();
  std::string result(text_.substr(begin, at - begin)), type = known(variables_, name);
  if (pointer) type = pointee(type);
  while (at < text_.size()) {
    if (text_[at] == '.') {
      const auto member = word_at(text_, at + 1);
      const auto found = structs_.find(type);
      type = found == structs_.end() ? "" : resolve(known(found->second, member));
      result.append(".").append(member);
      at += 1 + member.size();
    } else if (text_[at] == '[') {
      const size_t close = behind_bracket(text_, at);
      result += index(text_.substr(begin, at - begin), type, at, close);
      type = element(type);
      at = close;
    } else if (text_[at] == '(') {
      const size_t close = behind_bracket(text_, at);
      result += "(" + part(at + 1, close - 1) + ")";
      type = resolve(known(results_, name));
      at = close;
    } else {
      break;
    }
  }
  return result;
}

std::string Walk::part(size_t at, size_t end) {
  std::string result;
  while (at < end) {
    if (!is_word(text_[at])) {
      result += is_pointer(at) ? chain(at) : std::string(1, text_[at++]);
      continue;
    }
    const auto word = word_at(text_, at);
    const size_t next = skip_space(text_, at + word.size());
    if (word == "struct") {  // its members are no variables
      const size_t close = behind_bracket(text_, text_.find('{', next));
      result += text_.substr(at, close - at);
      at = close;
    } else if (word == "fn") {
      variables_ = globals_;
      result += word;
      at = next - 1;
    } else if (word == "let" || word == "var" || word == "const") {
      if (text_[next] != '<') declare(next);
      result += word;
      at += word.size();
    } else if (text_[next] == ':' && word != "default" && !std::isdigit(static_cast<unsigned char>(word[0]))) {
      declare(at);
      result += word;
      at += word.size();
    } else {
      result += chain(at);
    }
  }
  return result;
}

}  // namespace

CheckedIndices check_indices(const std::string& wgsl, uint32_t binding, uint32_t first) {
  const std::string text = without_comments(wgsl);
  Walk walk(text, first);
  CheckedIndices result{walk.run(), {}};
  result.places = std::move(walk.places);
  result.wgsl += fmt::format(R"(
@group(0) @binding({}) var<storage, read_write> sluice_outside: atomic<u32>;
fn sluice_index(i: u32, size: u32, number: u32) -> u32 {{
  if (i < size) {{ return i; }}
  atomicMax(&sluice_outside, number);
  return 0u;
}}
)",
                             binding);
  return result;
}

}  // namespace sluice::shader
