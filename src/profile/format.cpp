#include "profile/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/step_info.h"

namespace sluice::profile {

std::string bytes_text(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1u << 30) return fmt::format("{:.2f} GiB", value / (1u << 30));
  if (bytes >= 1u << 20) return fmt::format("{:.2f} MiB", value / (1u << 20));
  if (bytes >= 1u << 10) return fmt::format("{:.1f} KiB", value / (1u << 10));
  return fmt::format("{} B", bytes);
}

std::string rate_text(double bytes_per_second, double read_limit) {
  std::string text = fmt::format("{:.{}f} GB/s", bytes_per_second / 1e9, bytes_per_second < 1e10 ? 2 : 0);
  if (read_limit > 0) text += fmt::format(", {:.1f} % of limit", bytes_per_second / read_limit * 100);
  return text;
}

std::string tensors_text(const std::vector<Tensor>& tensors) {
  std::vector<std::string> parts;
  for (const Tensor& t : tensors) {
    if (t.type.empty()) continue;
    parts.push_back(
        fmt::format("{}{}{{'{}': [{}]}}", t.name, t.name.empty() ? "" : " ", t.type, fmt::join(t.shape, ", ")));
  }
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string sources_text(const std::vector<std::string>& sources) {
  std::vector<runtime::NodeLabel> nodes;
  for (const std::string& source : sources) nodes.push_back(runtime::split_label(source));
  std::string folder = nodes.empty() ? "" : nodes[0].name;
  for (const auto& [op, name] : nodes) {
    const auto differ = std::mismatch(folder.begin(), folder.end(), name.begin(), name.end());
    folder.erase(differ.first, folder.end());
  }
  folder.resize(folder.rfind('/') + 1);
  std::vector<std::string> names;
  for (const auto& [op, name] : nodes) {
    const bool tells = name.compare(name.rfind('/') + 1, op.size(), op) == 0;
    names.push_back(name.substr(folder.size()) + (tells ? "" : fmt::format(" ({})", op)));
  }
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  return folder.empty() ? list : fmt::format("{}{{{}}}", folder, list);
}

}  // namespace sluice::profile
