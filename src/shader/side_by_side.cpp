#include "shader/side_by_side.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/error.h"

namespace sluice::shader {
namespace {

// Built-in values that main may take, with their types. Those of the grid are computed from the workgroup's number.
const std::map<std::string_view, std::string_view> kBuiltins = {
    {"local_invocation_index", "u32"}, {"subgroup_invocation_id", "u32"}, {"subgroup_size", "u32"},
    {"workgroup_id", "vec3<u32>"},     {"num_workgroups", "vec3<u32>"},
};

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)); }

// Calls take(token, what follows it) for every word, number and single character of a text, white space included,
// comments left out.
template <class Take>
void for_each_token(std::string_view text, Take&& take) {
  while (!text.empty()) {
    size_t size = 1;
    if (text.starts_with("//")) {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
      continue;
    }
    if (is_word(text[0])) {
      const bool number = !starts_name(text[0]);
      while (size < text.size() && (is_word(text[size]) || (number && text[size] == '.'))) ++size;
    }
    const std::string_view token = text.substr(0, size);
    text.remove_prefix(size);
    take(token, text);
  }
}

// The names that a text declares outside of functions and structs.
std::set<std::string, std::less<>> declared_names(std::string_view text) {
  std::set<std::string, std::less<>> names;
  int depth = 0, templates = 0;
  bool declares = false;
  for_each_token(text, [&](std::string_view token, std::string_view) {
    depth += token == "{" ? 1 : token == "}" ? -1 : 0;
    if (depth != 0) return;
    if (declares) templates += token == "<" ? 1 : token == ">" ? -1 : 0;
    if (declares && templates == 0 && starts_name(token[0])) {
      names.emplace(token);
      declares = false;
    } else if (token == "fn" || token == "struct" || token == "alias" || token == "const" || token == "var") {
      declares = true;
    }
  });
  return names;
}

class Part {
 public:
  Part(const ShaderPart& part, size_t index, const std::string& text)
      : file_(part.file), prefix_(fmt::format("p{}_", index)), uniform_bytes_(part.uniform_bytes), text_(text) {}

  // Takes directives, bindings and the head of main out of the text, or rewrites them, then renames what is left.
  void rewrite(uint32_t first_binding) {
    take_lines(first_binding);
    take_main();
    if ((uniform_bytes_ != 0) != !uniforms_.empty()) fail("shader", "{}: the uniforms are not as planned", file_);
    text_ = renamed(text_);
  }

  std::string uniform_member() const {
    if (uniforms_.empty()) return {};
    return fmt::format("  @align(16) @size({}) {}{}: {}{},\n", uniform_bytes_, prefix_, uniforms_, prefix_, type_);
  }

  std::string call(size_t index) const {
    std::string arguments;
    for (const std::string& builtin : builtins_) {
      std::string value = builtin;
      if (builtin == "workgroup_id") value = "vec3<u32>(group, 0u, 0u)";
      if (builtin == "num_workgroups") value = fmt::format("vec3<u32>(side_by_side.groups[{}], 1u, 1u)", index);
      arguments += (arguments.empty() ? "" : ", ") + value;
    }
    return fmt::format("{}main({});", prefix_, arguments);
  }

  const std::string& text() const { return text_; }
  const std::vector<std::string>& directives() const { return directives_; }
  const std::vector<std::string>& builtins() const { return builtins_; }
  std::string workgroup_size() const { return renamed(workgroup_size_); }

 private:
  void take_lines(uint32_t first_binding) {
    std::string rest;
    for (std::string_view text = text_; !text.empty();) {
      const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (is_global_directive(line)) {
        directives_.emplace_back(line);
      } else if (line.starts_with("@group(0) @binding(")) {
        rest += moved_binding(line, first_binding);
      } else {
        rest.append(line).push_back('\n');
      }
    }
    text_ = std::move(rest);
    names_ = declared_names(text_);
  }

  // A storage binding behind those of the parts before this one; of the uniforms only name and type are kept.
  std::string moved_binding(std::string_view line, uint32_t first_binding) {
    const size_t var = line.find(") var<");
    if (var == std::string_view::npos) fail("shader", "{}: no variable in {}", file_, line);
    const std::string_view uniform = ") var<uniform> ";
    if (!line.substr(var).starts_with(uniform))
      return fmt::format("{} + {}u{}\n", line.substr(0, var), first_binding, line.substr(var));
    const std::string_view declaration = line.substr(var + uniform.size());
    const size_t colon = declaration.find(": ");
    uniforms_ = declaration.substr(0, colon);
    type_ = declaration.substr(colon + 2, declaration.find(';') - colon - 2);
    return {};
  }

  // main as a function like others.
  void take_main() {
    const std::string_view compute = "@compute @workgroup_size(", head = ")\nfn main(";
    const size_t begin = text_.find(compute);
    const size_t size_end = text_.find(head, begin);
    const size_t end = text_.find(") {", size_end);
    if (end == std::string::npos) fail("shader", "{}: no main", file_);
    workgroup_size_ = text_.substr(begin + compute.size(), size_end - begin - compute.size());
    const size_t parameters = size_end + head.size();
    text_.replace(begin, end - begin, "fn main(" + plain_parameters(text_.substr(parameters, end - parameters)));
  }

  std::string plain_parameters(std::string_view list) {
    const std::string_view builtin = "@builtin(";
    std::string plain;
    for (size_t at = list.find(builtin); at != std::string_view::npos; at = list.find(builtin)) {
      list.remove_prefix(at + builtin.size());
      builtins_.emplace_back(list.substr(0, list.find(')')));
      if (!kBuiltins.contains(builtins_.back())) fail("shader", "{}: main takes {}", file_, builtins_.back());
      list.remove_prefix(list.find(')') + 1);
      plain += list.substr(0, list.find('@'));
    }
    return plain;
  }

  std::string renamed(std::string_view text) const {
    std::string result;
    char before = 0;         // the last character that is no white space
    bool in_struct = false;  // whose members keep their names
    for_each_token(text, [&](std::string_view token, std::string_view rest) {
      const bool is_member = before == '.' || (in_struct && rest.starts_with(':'));
      if (!is_member && token == uniforms_ && !uniforms_.empty()) {
        result += "side_by_side." + prefix_;
      } else if (!is_member && before != '@' && names_.contains(token)) {
        result += prefix_;
      }
      result += token;
      in_struct = token == "struct" || (in_struct && token != "}");
      if (!is_space(token[0])) before = token.back();
    });
    return result;
  }

  std::string file_, prefix_;
  uint32_t uniform_bytes_;
  std::string text_, workgroup_size_;
  std::string uniforms_, type_;  // name and type of the variable
  std::vector<std::string> directives_, builtins_;
  std::set<std::string, std::less<>> names_;
};

std::string common_main(const std::vector<Part>& parts) {
  std::set<std::string> wanted = {"workgroup_id"};
  for (const Part& part : parts) wanted.insert(part.builtins().begin(), part.builtins().end());
  std::string parameters, calls;
  for (const std::string& name : wanted) {
    if (name == "num_workgroups") continue;
    parameters += fmt::format("{}@builtin({}) {}: {}", parameters.empty() ? "" : ", ", name, name, kBuiltins.at(name));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i + 1 == parts.size()) {
      calls += fmt::format("  {}\n", parts[i].call(i));
    } else {
      calls +=
          fmt::format("  if (group < side_by_side.groups[{}]) {{\n    {}\n    return;\n  }}\n", i, parts[i].call(i));
      calls += fmt::format("  group -= side_by_side.groups[{}];\n", i);
    }
  }
  return fmt::format("@compute @workgroup_size({})\nfn main({}) {{\n  var group = workgroup_id.x;\n{}}}\n",
                     parts[0].workgroup_size(), parameters, calls);
}

}  // namespace

std::string side_by_side(std::span<const ShaderPart> shaders, const Dialect& dialect, const FileReader& read) {
  if (shaders.empty() || shaders.size() > kMostParts)
    fail("shader", "1 to {} shaders run side by side, got {}", kMostParts, shaders.size());
  std::vector<Part> parts;
  std::vector<std::string> directives;
  std::string texts, members;
  uint32_t bindings = 0;
  for (size_t i = 0; i < shaders.size(); ++i) {
    Part& part = parts.emplace_back(shaders[i], i, expand({shaders[i].file, shaders[i].defines}, dialect, read));
    part.rewrite(bindings);
    bindings += shaders[i].storage;
    texts += part.text();
    members += part.uniform_member();
    for (const std::string& line : part.directives()) {
      if (std::find(directives.begin(), directives.end(), line) == directives.end()) directives.push_back(line);
    }
  }
  std::string head;
  for (const std::string& line : directives) head.append(line).push_back('\n');
  return head + "struct SideBySide {\n  groups: vec4<u32>,\n" + members + "}\n" +
         fmt::format("@group(0) @binding({}) var<uniform> side_by_side: SideBySide;\n", bindings) + texts +
         common_main(parts);
}

}  // namespace sluice::shader
