#include "kernels/matmul/matmul_nbits_row.h"

#include <algorithm>
#include <bit>

#include "kernels/matmul/nbits_plan.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "matmul_nbits";

struct alignas(16) Params {
  std::array<uint32_t, 4> columns{}, first_tiles{};
  uint32_t k, row_pitch, blocks, zero_pitch, tiles;
  float epsilon, alpha;
  uint32_t m;
};
static_assert(sizeof(Params) == 64);

// How the kernel divides the work.
struct RowShape {
  TeamShape team;
  uint32_t depth = 1;      // units of each weight row that a lane loads together
  uint32_t staged = 0;     // quads of floats in workgroup memory
  bool int8 = false;       // bytes there instead
  uint32_t outputs = 1;    // of a workgroup's tile
  uint32_t tiles = 1;      // of a workgroup
  uint32_t all_tiles = 0;  // of all matrices
};

NBitsWeights weights_of(const MatMulNBitsProblem& p, uint32_t sets) {
  return {.weights = p.b,
          .scales = p.scales,
          .zero_points = p.zero_points,
          .bias = p.bias,
          .rows = p.n,
          .k = p.k,
          .bits = p.bits,
          .block_size = p.block_size,
          .sets = sets};
}

uint32_t rows_of(const MatMulNBitsProblem& p) { return std::bit_ceil(static_cast<uint32_t>(p.y.rows())); }

// accuracy_level 4 asks for no more than products of bytes. Their zero point is the middle, and lanes that share a unit
// tell one another its largest activation.
bool takes_bytes(const MatMulNBitsProblem& p, const NBitsLayout& layout, const TeamShape& team, const gpu::Caps& caps) {
  if (p.accuracy_level != 4 || !caps.dot4i8 || p.zero_points || !team.subgroups || caps.subgroup_min < 4) return false;
  const uint32_t sums = team.partials() * 4 * 4, squares = team.workgroup * 4;  // at most four columns of a team
  return rows_of(p) * (uint64_t{layout.units} * (layout.unit_values + 4) + sums) + squares <=
         caps.max_workgroup_storage;
}

// One weight row a team keeps the most loads in flight; a long matrix has enough of them, and saves reads of x, as do
// several rows of x.
uint32_t team_columns(const JoinedMatMulNBitsProblem& p, bool int8) {
  constexpr uint32_t kLong = 32768;
  const bool several = p.gated || p.products[0].y.rows() > 1;
  if (several) return 2;
  if (p.products[0].n >= kLong) return 4;
  return int8 ? 1 : 2;
}

// `workgroup`: see team_shape().
RowShape row_shape(const JoinedMatMulNBitsProblem& p, const NBitsLayout& layout, const gpu::Caps& caps,
                   uint32_t workgroup) {
  constexpr uint32_t kUnitsInFlight = 8, kGroups = 512;
  RowShape shape;
  shape.team = team_shape(layout.units, caps, workgroup);
  shape.int8 = takes_bytes(p.products[0], layout, shape.team, caps);
  shape.team.columns = team_columns(p, shape.int8);
  if (shape.int8) {
    const uint32_t in_flight = std::max(1u, kUnitsInFlight / (shape.team.columns * rows_of(p.products[0])));
    shape.depth = std::min({ceil_div(layout.units, shape.team.lanes), in_flight, 4u});
  } else {
    shape.staged = staged_quads(layout, shape.team, 0, caps);
  }
  shape.outputs = shape.team.teams() * shape.team.columns / (p.gated ? 2 : 1);
  for (const MatMulNBitsProblem& product : p.products) {
    shape.all_tiles += ceil_div(product.n, shape.outputs);
    if (p.gated) break;
  }
  if (p.products.size() == 1) shape.tiles = std::clamp(shape.all_tiles / kGroups, 1u, 16u);
  return shape;
}

// Workgroup memory: partial sums, the row and the sum of its squares.
Footprint footprint(const JoinedMatMulNBitsProblem& p, const NBitsLayout& layout, const RowShape& shape) {
  const TeamShape& team = shape.team;
  const uint32_t rows = rows_of(p.products[0]);
  const uint32_t row = shape.int8 ? rows * layout.units * (layout.unit_values + 4) : shape.staged * 16;
  const uint32_t squares = p.products[0].norm_weight ? team.workgroup * 4 : 0;
  return {team.workgroup, rows * team.partials() * team.columns * 4 + row + squares};
}

Params row_params(const JoinedMatMulNBitsProblem& p, const NBitsLayout& layout, const RowShape& shape) {
  const MatMulNBitsProblem& first = p.products[0];
  Params q{.k = first.k,
           .row_pitch = layout.row_pitch,
           .blocks = layout.blocks,
           .zero_pitch = layout.zero_pitch,
           .tiles = shape.tiles,
           .epsilon = first.norm_epsilon,
           .alpha = p.gate_alpha,
           .m = static_cast<uint32_t>(first.y.rows())};
  uint32_t tile = 0;
  for (size_t i = 0; i < p.products.size(); ++i) {
    q.columns[i] = p.products[i].n;
    q.first_tiles[i] = tile;
    tile += ceil_div(p.products[i].n, shape.outputs);
  }
  return q;
}

// x, the norm's weight, the matrices, the residual, the results.
void bind(const JoinedMatMulNBitsProblem& p, Dispatch& d) {
  const MatMulNBitsProblem& first = p.products[0];
  const auto next = [&] { return static_cast<uint32_t>(d.operands.size()); };
  Defines& defines = d.shader.defines;
  d.operands = {in(first.a)};
  if (first.norm_weight) d.operands.push_back(in(first.norm_weight));
  defines.emplace_back("AT_SETS", next());
  for (const MatMulNBitsProblem& product : p.products) {
    for (const Tensor* t : {&product.b, &product.scales, &product.zero_points, &product.bias}) {
      if (*t) d.operands.push_back(in(*t));
    }
  }
  defines.emplace_back("SET_BINDINGS", 2u + (first.zero_points ? 1 : 0) + (first.bias ? 1 : 0));
  if (first.residual) d.operands.push_back(in(first.residual));
  defines.emplace_back("AT_Y", next());
  for (const MatMulNBitsProblem& product : p.products) {
    d.operands.push_back(out(product.y));
    if (p.gated) break;
  }
  defines.emplace_back("AT_PARAMS", next());
}

std::string dispatch_name(const JoinedMatMulNBitsProblem& p, const RowShape& shape) {
  std::string name = "matmul_nbits/";
  if (p.products[0].norm_weight) name += "norm_";
  if (p.products.size() > 1) name += p.gated ? "gated_" : "joined_";
  return name + (shape.int8 ? "row8" : "row");
}

Defines row_defines(const JoinedMatMulNBitsProblem& p, const NBitsLayout& layout, const RowShape& shape) {
  const MatMulNBitsProblem& first = p.products[0];
  const auto type = [](const Tensor& t) { return std::string(t ? wgsl_type(t.storage) : "f32"); };
  return {{"X", type(first.a)},
          {"Y", type(first.y)},
          {"R", type(first.residual)},
          {"G", type(first.norm_weight)},
          {"HAS_BIAS", first.bias ? 1u : 0u},
          {"HAS_RESIDUAL", first.residual ? 1u : 0u},
          {"NORM", first.norm_weight ? 1u : 0u},
          {"GATED", p.gated ? 1u : 0u},
          {"X_ACCESS", activation_access(first.k, layout)},
          {"ROWS", rows_of(first)},
          {"UNITS", layout.units},
          {"DEPTH", shape.depth},
          {"INT8", shape.int8 ? 1u : 0u},
          {"STAGED", shape.staged}};
}

// In workgroups of so many invocations; 0: as suits the device.
Dispatch row_dispatch(const JoinedMatMulNBitsProblem& p, const gpu::Caps& caps, uint32_t workgroup) {
  const NBitsWeights weights = weights_of(p.products[0], static_cast<uint32_t>(p.products.size()));
  const NBitsLayout layout = nbits_layout(weights);
  const RowShape shape = row_shape(p, layout, caps, workgroup);
  if (p.products[0].norm_weight && !shape.int8 && shape.staged == 0)
    fail(kTag, "the norm needs one row that fits in workgroup memory");
  Dispatch d;
  d.name = dispatch_name(p, shape);
  d.shader.file = "kernels/matmul/matmul_nbits_row.wgsl";
  d.shader.defines = row_defines(p, layout, shape);
  append_nbits_defines(weights, d.shader.defines);
  append_team_defines(shape.team, d.shader.defines);
  bind(p, d);
  d.set_uniforms(row_params(p, layout, shape));
  d.groups = fold_groups(ceil_div(shape.all_tiles, shape.tiles), caps);
  d.footprint = footprint(p, layout, shape);
  return d;
}

// The same sums in the same order: only workgroups hold more or fewer teams.
std::optional<Dispatch> resized(const JoinedMatMulNBitsProblem& p, const gpu::Caps& caps, uint32_t workgroup) {
  const NBitsLayout layout = nbits_layout(weights_of(p.products[0], 1));
  const RowShape before = row_shape(p, layout, caps, 0), shape = row_shape(p, layout, caps, workgroup);
  const bool alike = shape.int8 == before.int8 && (shape.staged == 0) == (before.staged == 0) &&
                     shape.team.lanes == before.team.lanes && shape.team.subgroups == before.team.subgroups;
  if (!alike || workgroup % shape.team.lanes != 0 || workgroup > caps.max_invocations) return std::nullopt;
  return row_dispatch(p, caps, workgroup);
}

}  // namespace

bool row_kernel_takes(const MatMulNBitsProblem& p, const gpu::Caps& caps) {
  const NBitsLayout layout = nbits_layout(weights_of(p, 1));
  return p.y.rows() == 1 || takes_bytes(p, layout, team_shape(layout.units, caps), caps);
}

void plan_matmul_nbits_row(const JoinedMatMulNBitsProblem& p, Recorder& recorder) {
  const gpu::Caps& caps = recorder.caps();
  Dispatch d = row_dispatch(p, caps, 0);
  if (d.operands.size() > caps.max_storage_buffers) {
    fail(kTag, "{} products in one need {} bindings, more than the device's limit of {}", p.products.size(),
         d.operands.size(), caps.max_storage_buffers);
  }
  d.resized = [p, caps](uint32_t workgroup) { return resized(p, caps, workgroup); };
  recorder.add(std::move(d));
}

}  // namespace sluice::kernels
