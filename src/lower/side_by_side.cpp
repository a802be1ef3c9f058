#include "lower/side_by_side.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "shader/side_by_side.h"

namespace sluice::lower {
namespace {

using kernels::Dispatch;
using kernels::Operand;

constexpr size_t kReach = 8;                // dispatches that a later one looks back over
constexpr uint32_t kMostWorkgroups = 4096;  // of a dispatch: what takes longer had better have the device for itself

bool writes(const Operand& operand) { return operand.access == gpu::Access::kReadWrite; }

// Whether one writes what the other binds.
bool depend(const Dispatch& a, const Dispatch& b) {
  if (a.indirect.slot != kernels::kNoSlot || b.indirect.slot != kernels::kNoSlot) return true;
  return std::any_of(a.operands.begin(), a.operands.end(), [&](const Operand& x) {
    return std::any_of(b.operands.begin(), b.operands.end(),
                       [&](const Operand& y) { return x.slot == y.slot && (writes(x) || writes(y)); });
  });
}

uint32_t uniform_bytes(const Dispatch& d) { return static_cast<uint32_t>(d.uniforms.size()); }

std::vector<shader::ShaderPart> parts_of(const Dispatch& d) {
  if (!d.shader.parts.empty()) return d.shader.parts;
  return {{d.shader.file, d.shader.defines, static_cast<uint32_t>(d.operands.size()), uniform_bytes(d)}};
}

// Workgroups of each part.
std::array<uint32_t, 4> groups_of(const Dispatch& d) {
  std::array<uint32_t, 4> groups = {d.groups[0]};
  if (!d.shader.parts.empty()) std::memcpy(groups.data(), d.uniforms.data(), sizeof(groups));
  return groups;
}

class SideBySide {
 public:
  SideBySide(Lowered& lowered, const gpu::Caps& caps) : lowered_(lowered), caps_(caps) {}

  void run() {
    Lowered old = std::move(lowered_);
    lowered_ = {.slots = std::move(old.slots),
                .inputs = std::move(old.inputs),
                .outputs = std::move(old.outputs),
                .obstacles = std::move(old.obstacles)};
    for (size_t i = 0; i < old.dispatches.size(); ++i) {
      if (join(old.dispatches[i], old.nodes[i], old.sources[i])) continue;
      lowered_.dispatches.push_back(std::move(old.dispatches[i]));
      lowered_.nodes.push_back(std::move(old.nodes[i]));
      lowered_.sources.push_back(std::move(old.sources[i]));
    }
  }

 private:
  static bool is_small(const Dispatch& d) {
    return d.footprint && d.groups[0] <= kMostWorkgroups && d.groups[1] == 1 && d.groups[2] == 1;
  }

  bool fit(const Dispatch& a, const Dispatch& b) const {
    return parts_of(a).size() < shader::kMostParts && a.footprint->invocations == b.footprint->invocations &&
           a.footprint->bytes + b.footprint->bytes <= caps_.max_workgroup_storage &&
           a.operands.size() + b.operands.size() <= caps_.max_storage_buffers &&
           a.groups[0] + b.groups[0] <= caps_.max_workgroups;
  }

  // Both in workgroups of one size, if one of them can do with the other's.
  std::optional<Dispatch> joined(const Dispatch& a, const Dispatch& b) const {
    if (fit(a, b)) return both(a, b);
    for (const auto& [from, to] : {std::pair{&b, &a}, {&a, &b}}) {
      if (!from->resized || from->footprint->invocations == to->footprint->invocations) continue;
      const std::optional<Dispatch> other = from->resized(to->footprint->invocations);
      if (!other) continue;
      const Dispatch &x = from == &b ? a : *other, &y = from == &b ? *other : b;
      if (is_small(*other) && fit(x, y)) return both(x, y);
    }
    return std::nullopt;
  }

  // The last dispatch that has to come before d, or nothing in reach, decides how far up it may go.
  bool join(const Dispatch& d, const std::string& node, const std::vector<std::string>& sources) {
    if (!is_small(d)) return false;
    const size_t count = lowered_.dispatches.size();
    for (size_t i = count; i-- > count - std::min(count, kReach);) {
      Dispatch& earlier = lowered_.dispatches[i];
      if (depend(earlier, d)) return false;
      if (!is_small(earlier)) continue;
      std::optional<Dispatch> result = joined(earlier, d);
      if (!result) continue;
      earlier = std::move(*result);
      add_origin(i, node, sources);
      return true;
    }
    return false;
  }

  Dispatch both(const Dispatch& a, const Dispatch& b) const {
    Dispatch d;
    d.name = a.name + " + " + b.name;
    d.shader.file = a.shader.file + " + " + b.shader.file;
    d.shader.parts = parts_of(a);
    const size_t first = d.shader.parts.size();
    for (shader::ShaderPart& part : parts_of(b)) d.shader.parts.push_back(std::move(part));
    d.operands = a.operands;
    d.operands.insert(d.operands.end(), b.operands.begin(), b.operands.end());
    std::array<uint32_t, 4> groups = groups_of(a);
    groups[first] = b.groups[0];
    d.set_uniforms(groups);
    for (const Dispatch* part : {&a, &b}) {
      const size_t own = part->shader.parts.empty() ? 0 : sizeof(groups);
      d.uniforms.insert(d.uniforms.end(), part->uniforms.begin() + static_cast<ptrdiff_t>(own), part->uniforms.end());
    }
    d.groups = {a.groups[0] + b.groups[0], 1, 1};
    d.footprint = {a.footprint->invocations, a.footprint->bytes + b.footprint->bytes};
    return d;
  }

  // "QMoE+MatMul /model/layers.0/moe/QMoE": the operators of all, the name of the first.
  void add_origin(size_t i, const std::string& node, const std::vector<std::string>& sources) {
    std::string& name = lowered_.nodes[i];
    name.insert(std::min(name.find(' '), name.size()), "+" + node.substr(0, node.find(' ')));
    std::vector<std::string>& all = lowered_.sources[i];
    for (const std::string& source : sources) {
      if (std::find(all.begin(), all.end(), source) == all.end()) all.push_back(source);
    }
  }

  Lowered& lowered_;
  const gpu::Caps& caps_;
};

}  // namespace

void run_side_by_side(Lowered& lowered, const gpu::Caps& caps) { SideBySide(lowered, caps).run(); }

}  // namespace sluice::lower
