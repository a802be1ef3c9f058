#include "kernels/elementwise/elementwise.h"

#include <algorithm>
#include <bit>

#include "kernels/common/strides.h"
#include "kernels/elementwise/element_rules.h"

namespace sluice::kernels {
namespace {

struct alignas(16) Params {
  uint32_t count;
  uint32_t pad[3];
  uint32_t offsets[8];
  uint32_t dims[kMaxElementRank];
  uint32_t strides[ElementProgram::kMaxInputs][kMaxElementRank];
  uint32_t constants[ElementProgram::kMaxConstants];
};
static_assert(sizeof(Params) == 336);

constexpr const char* kTag = "elementwise";

void check_output(const ElementwiseProblem& problem, ElementType result) {
  const Tensor& y = problem.output;
  if (element_type(y.storage) != result) fail(kTag, "the output's element type is not the program's result");
  if (y.elements() > 0xffffffffu) fail(kTag, "an output of {} elements is beyond 2^32 - 1", y.elements());
  for (const ElementInput& x : problem.inputs) {
    if (x.tensor.slot == y.slot) fail(kTag, "the output must not share an input's storage");
  }
}

StridedSpace space_of(const ElementwiseProblem& problem) {
  StridedSpace space{problem.output.shape, {row_major_strides(problem.output.shape)}};
  for (const ElementInput& x : problem.inputs) space.strides.push_back(x.strides_along(problem.output.shape));
  space.collapse();
  if (space.dims.size() > kMaxElementRank) {
    fail(kTag, "at most {} dimensions are supported after joining, got {}", kMaxElementRank, space.dims.size());
  }
  return space;
}

// How many neighbours a thread computes: 4 where every input has them as a vector, or one element for all of them.
uint32_t width_of(const StridedSpace& space, const std::vector<ElementInput>& inputs) {
  if (space.dims.back() % 4 != 0) return 1;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const auto& strides = space.strides[k + 1];
    if (strides.back() == 0) continue;
    bool vector = strides.back() == 1 && inputs[k].offset % 4 == 0;
    for (size_t d = 0; d + 1 < strides.size(); ++d) vector = vector && strides[d] % 4 == 0;
    if (!vector) return 1;
  }
  return 4;
}

ElementRead read_of(const StridedSpace& space, size_t operand, int64_t offset) {
  const auto& strides = space.strides[operand];
  if (offset == 0 && strides == space.strides[0]) return ElementRead::kSame;
  const bool zero = std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 0; });
  if (offset == 0 && zero) return ElementRead::kScalar;
  return strides.back() == 0 ? ElementRead::kStridedSplat : ElementRead::kStrided;
}

std::string default_name(const ElementProgram& program) {
  std::string text = "elementwise/";
  for (const ElementInstruction& instruction : program.code) {
    if (text.back() != '/') text += '+';
    text += name(instruction.op);
  }
  return text;
}

// Functions that are only part of the shaders that call them.
bool uses_trig(const ElementProgram& program) {
  return std::any_of(program.code.begin(), program.code.end(), [](const ElementInstruction& instruction) {
    return instruction.op >= ElementOp::kTan && instruction.op <= ElementOp::kAtanh;
  });
}

// Negative steps work out because addresses wrap modulo 2^32.
Params params_of(const ElementwiseProblem& problem, const StridedSpace& space, uint32_t width, uint64_t groups) {
  Params params{};
  params.count = static_cast<uint32_t>(groups);
  const size_t rank = space.dims.size();
  for (size_t k = 0; k < problem.inputs.size(); ++k) {
    const bool vector = space.strides[k + 1].back() != 0;
    params.offsets[k] = static_cast<uint32_t>(problem.inputs[k].offset / (vector ? width : 1));
  }
  for (size_t d = 0; d < rank; ++d) {
    const bool inner = d + 1 == rank;
    params.dims[d] = inner ? space.dims[d] / width : space.dims[d];
    for (size_t k = 1; k < space.strides.size(); ++k) {
      // An input read in vectors counts its steps in them; its innermost step is 1 in either unit.
      const bool vector = space.strides[k].back() != 0;
      const int64_t stride = space.strides[k][d];
      params.strides[k - 1][d] = static_cast<uint32_t>(inner || !vector ? stride : stride / width);
    }
  }
  const auto& constants = problem.program.constants;
  for (size_t k = 0; k < constants.size(); ++k) params.constants[k] = constants[k].bits;
  return params;
}

}  // namespace

ElementType element_type(Storage storage) {
  switch (storage) {
    case Storage::kF32:
    case Storage::kF16:
      return ElementType::kFloat;
    case Storage::kI32:
      return ElementType::kInt;
    case Storage::kU32:
      return ElementType::kBool;
    case Storage::kUnsigned:
      return ElementType::kUnsigned;
    case Storage::kBytes:
      return ElementType::kNone;
  }
  return ElementType::kNone;
}

std::vector<int64_t> ElementInput::strides_along(const std::vector<uint32_t>& shape) const {
  if (!strides) return broadcast_strides(tensor.shape, shape, kTag);
  if (strides->size() != shape.size()) fail(kTag, "{} strides for {} dimensions", strides->size(), shape.size());
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return *strides;
  const auto [first, last] = extent(shape, *strides, offset);
  if (first < 0 || last >= static_cast<int64_t>(tensor.elements()))
    fail(kTag, "elements {} to {} of a tensor of {} are read", first, last, tensor.elements());
  return *strides;
}

void plan_elementwise(const ElementwiseProblem& problem, Recorder& recorder) {
  std::vector<ElementType> types;
  for (const ElementInput& x : problem.inputs) types.push_back(element_type(x.tensor.storage));
  const auto results = check_program(problem.program, types);
  check_output(problem, results.back());
  if (problem.output.elements() == 0) {
    for (const ElementInput& x : problem.inputs) x.strides_along(problem.output.shape);
    return;
  }
  const StridedSpace space = space_of(problem);
  const uint32_t width = width_of(space, problem.inputs);
  const uint64_t groups = problem.output.elements() / width;
  const uint32_t wg = groups <= 16384 ? 64 : 256;

  Dispatch dispatch;
  dispatch.name = problem.name.empty() ? default_name(problem.program) : problem.name;
  const auto type_text = [width](Storage storage, bool vector) -> std::string {
    const std::string type = wgsl_type(storage);
    return vector && width == 4 ? "vec4<" + type + ">" : type;
  };
  std::vector<ElementRead> reads;
  auto& defines = dispatch.shader.defines;
  dispatch.shader.file = "kernels/elementwise/elementwise.wgsl";
  for (uint32_t k = 0; k < ElementProgram::kMaxInputs; ++k) {
    const bool used = k < problem.inputs.size();
    if (used) {
      reads.push_back(read_of(space, k + 1, problem.inputs[k].offset));
      dispatch.operands.push_back(in(problem.inputs[k].tensor));
    }
    defines.emplace_back(fmt::format("X{}", k),
                         used ? type_text(problem.inputs[k].tensor.storage, space.strides[k + 1].back() != 0) : "f32");
  }
  const bool strided = std::any_of(reads.begin(), reads.end(), [](ElementRead read) {
    return read == ElementRead::kStrided || read == ElementRead::kStridedSplat;
  });
  defines.emplace_back("Y", type_text(problem.output.storage, true));
  defines.emplace_back("INPUTS", static_cast<uint32_t>(problem.inputs.size()));
  defines.emplace_back("WIDTH", width);
  defines.emplace_back("RANK", strided ? static_cast<uint32_t>(space.dims.size()) : 1u);
  defines.emplace_back("TRIG", uses_trig(problem.program) ? 1u : 0u);
  defines.emplace_back("WG", wg);
  defines.emplace_back("BODY", element_body(problem.program, types, reads));
  dispatch.operands.push_back(out(problem.output));
  dispatch.set_uniforms(params_of(problem, space, width, groups));
  dispatch.groups = fold_groups(ceil_div64(groups, wg), recorder.caps());
  recorder.add(std::move(dispatch));
}

}  // namespace sluice::kernels
