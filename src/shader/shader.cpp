#include "shader/shader.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "shader/condition.h"
#include "shader/embedded.h"
#include "shader/expander.h"
#include "shader/side_by_side.h"

namespace sluice::shader {
namespace {

struct Branch {
  bool outer = true;   // whether the lines around the #if are taken
  bool taken = false;  // whether this or an earlier branch was
  bool active = true;
  bool after_else = false;
  size_t line = 0;
};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

class Expander {
 public:
  Expander(const Shader& shader, const FileReader& read) : shader_(shader), read_(read) {}

  void file(const std::string& path, std::string_view text);

  std::string body;
  std::vector<std::string> directives;

 private:
  void directive(std::string_view text);
  void include(std::string_view argument);
  void insert(std::string_view name);
  bool evaluate(std::string_view expression) const { return evaluate_condition(expression, shader_.defines, place()); }
  bool active() const { return branches_.empty() || branches_.back().active; }
  std::string place() const { return fmt::format("{}:{}", path_, line_); }
  Branch& innermost(std::string_view word);

  const Shader& shader_;
  const FileReader& read_;
  std::string path_;
  size_t line_ = 0;
  std::vector<Branch> branches_;
  std::set<std::string, std::less<>> included_;
};

void Expander::file(const std::string& path, std::string_view text) {
  if (!included_.insert(path).second) return;
  const auto outer_path = std::exchange(path_, path);
  const auto outer_line = std::exchange(line_, 0);
  const auto outer_branches = std::exchange(branches_, {});
  while (!text.empty()) {
    ++line_;
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto trimmed = trim(line);
    if (trimmed.starts_with('#')) {
      directive(trimmed);
    } else if (active() && is_global_directive(trimmed)) {
      if (std::find(directives.begin(), directives.end(), trimmed) == directives.end())
        directives.emplace_back(trimmed);
    } else if (active()) {
      body.append(line).push_back('\n');
    }
  }
  if (!branches_.empty()) fail("shader", "{}:{}: #if without #endif", path_, branches_.back().line);
  path_ = outer_path;
  line_ = outer_line;
  branches_ = outer_branches;
}

Branch& Expander::innermost(std::string_view word) {
  if (branches_.empty()) fail("shader", "{}: {} without #if", place(), word);
  return branches_.back();
}

void Expander::directive(std::string_view text) {
  const auto split = std::min(text.find_first_of(" \t\"!"), text.size());
  const auto word = text.substr(0, split);
  auto argument = trim(text.substr(split));
  if (const auto comment = argument.find("//"); comment != std::string_view::npos)
    argument = trim(argument.substr(0, comment));
  if (word == "#include") {
    if (active()) include(argument);
  } else if (word == "#insert") {
    if (active()) insert(argument);
  } else if (word == "#if") {
    const bool outer = active();
    const bool value = evaluate(argument);
    branches_.push_back({outer, value, outer && value, false, line_});
  } else if (word == "#elif" || word == "#else") {
    Branch& branch = innermost(word);
    if (branch.after_else) fail("shader", "{}: {} after #else", place(), word);
    const bool is_else = word == "#else";
    if (is_else && !argument.empty()) fail("shader", "{}: #else takes no condition", place());
    const bool value = is_else || evaluate(argument);
    branch.active = branch.outer && !branch.taken && value;
    branch.taken = branch.taken || value;
    branch.after_else = is_else;
  } else if (word == "#endif") {
    innermost(word);
    branches_.pop_back();
  } else {
    fail("shader", "{}: unknown directive {}", place(), word);
  }
}

void Expander::include(std::string_view argument) {
  if (argument.size() < 3 || argument.front() != '"' || argument.back() != '"') {
    fail("shader", "{}: #include wants a path in quotes, got {}", place(), argument);
  }
  const std::string path(argument.substr(1, argument.size() - 2));
  const auto text = read_(path);
  if (text.empty()) fail("shader", "{}: no shader file {}", place(), path);
  file(path, text);
}

// A block of statements rather than the name of a type.
bool is_block(const DefinedValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text && text->starts_with('{');
}

void Expander::insert(std::string_view name) {
  for (const auto& [defined, value] : shader_.defines) {
    if (defined != name) continue;
    if (!is_block(value)) fail("shader", "{}: #insert wants a block of statements, {} is none", place(), name);
    body.append(std::get<std::string>(value)).push_back('\n');
    return;
  }
  fail("shader", "{}: {} is not defined", place(), name);
}

bool contains_word(std::string_view text, std::string_view word) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) return true;
  }
  return false;
}

struct Definitions {
  std::string text;
  bool f16 = false;
  bool subgroups = false;
};

Definitions definitions(const Shader& shader) {
  Definitions result;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : shader.defines) {
    if (!seen.insert(name).second) fail("shader", "{}: {} is defined twice", shader.file, name);
    if (is_block(value)) continue;
    if (const auto* type = std::get_if<std::string>(&value)) {
      result.text += fmt::format("alias {} = {};\n", name, *type);
      result.f16 = result.f16 || contains_word(*type, "f16");
    } else {
      result.text += fmt::format("const {}: u32 = {}u;\n", name, std::get<uint32_t>(value));
      result.subgroups = result.subgroups || (name == "SUBGROUPS" && std::get<uint32_t>(value) != 0);
    }
  }
  return result;
}

bool uses_packed_dot(std::string_view text) {
  for (const auto word : {"dot4I8Packed", "dot4U8Packed", "pack4xI8", "pack4xU8", "unpack4xI8", "unpack4xU8"}) {
    if (contains_word(text, word)) return true;
  }
  return false;
}

}  // namespace

std::string expand(const Shader& shader, const Dialect& dialect) { return expand(shader, dialect, embedded_file); }

bool is_global_directive(std::string_view line) {
  return line.starts_with("enable ") || line.starts_with("requires ") || line.starts_with("diagnostic(");
}

std::string expand(const Shader& shader, const Dialect& dialect, const FileReader& read) {
  if (!shader.parts.empty()) return side_by_side(shader.parts, dialect, read);
  const auto text = read(shader.file);
  if (text.empty()) fail("shader", "no shader file {}", shader.file);
  Expander expander(shader, read);
  expander.file(shader.file, text);
  const Definitions defined = definitions(shader);

  auto directives = std::move(expander.directives);
  const auto want = [&directives](const char* line) {
    if (std::find(directives.begin(), directives.end(), line) == directives.end()) directives.emplace_back(line);
  };
  if (defined.f16) want("enable f16;");
  if (defined.subgroups && dialect.enable_subgroups) want("enable subgroups;");
  if (dialect.requires_packed_dot && uses_packed_dot(expander.body)) want("requires packed_4x8_integer_dot_product;");

  std::string result;
  for (const auto& line : directives) result.append(line).push_back('\n');
  return result + defined.text + expander.body;
}

std::string_view embedded_file(std::string_view path) {
  for (const EmbeddedFile& file : embedded_table()) {
    if (file.path == path) return file.text;
  }
  return {};
}

std::vector<std::string_view> embedded_files() {
  std::vector<std::string_view> paths;
  for (const EmbeddedFile& file : embedded_table()) paths.push_back(file.path);
  return paths;
}

}  // namespace sluice::shader
