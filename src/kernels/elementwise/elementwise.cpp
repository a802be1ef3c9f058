#include "kernels/elementwise/elementwise.h"

#include <algorithm>
#include <bit>

#include "kernels/common/strides.h"
#include "kernels/elementwise/element_rules.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kMaxRank = 8;

struct alignas(16) Params {
  uint32_t count;
  uint32_t pad[3];
  uint32_t dims[kMaxRank];
  uint32_t strides[ElementProgram::kMaxInputs][kMaxRank];
  uint32_t constants[ElementProgram::kMaxConstants];
};
static_assert(sizeof(Params) == 304);

constexpr const char* kTag = "elementwise";

void check_output(const ElementwiseProblem& problem, ElementType result) {
  const Tensor& y = problem.output;
  if (element_type(y.storage) != result) fail(kTag, "the output's element type is not the program's result");
  if (y.elements() > 0xffffffffu) fail(kTag, "an output of {} elements is beyond 2^32 - 1", y.elements());
  for (const Tensor& x : problem.inputs) {
    if (x.slot == y.slot) fail(kTag, "the output must not share an input's storage");
  }
}

StridedSpace space_of(const ElementwiseProblem& problem) {
  StridedSpace space{problem.output.shape, {row_major_strides(problem.output.shape)}};
  for (const Tensor& x : problem.inputs) {
    space.strides.push_back(broadcast_strides(x.shape, problem.output.shape, kTag));
  }
  space.collapse();
  if (space.dims.size() > kMaxRank) {
    fail(kTag, "at most {} dimensions are supported after joining, got {}", kMaxRank, space.dims.size());
  }
  return space;
}

ElementRead read_of(const StridedSpace& space, size_t operand) {
  const auto& strides = space.strides[operand];
  if (strides == space.strides[0]) return ElementRead::kSame;
  const bool zero = std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 0; });
  if (zero) return ElementRead::kScalar;
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

Params params_of(const ElementProgram& program, const StridedSpace& space, uint32_t width, uint64_t groups) {
  Params params{};
  params.count = static_cast<uint32_t>(groups);
  const size_t rank = space.dims.size();
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
  for (size_t k = 0; k < program.constants.size(); ++k) params.constants[k] = program.constants[k].bits;
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

void plan_elementwise(const ElementwiseProblem& problem, Recorder& recorder) {
  std::vector<ElementType> types;
  for (const Tensor& x : problem.inputs) types.push_back(element_type(x.storage));
  const auto results = check_program(problem.program, types);
  check_output(problem, results.back());
  if (problem.output.elements() == 0) {
    for (const Tensor& x : problem.inputs) broadcast_strides(x.shape, problem.output.shape, kTag);
    return;
  }
  const StridedSpace space = space_of(problem);
  const uint32_t width = space.dims.back() % 4 == 0 ? 4 : 1;
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
      reads.push_back(read_of(space, k + 1));
      dispatch.operands.push_back(in(problem.inputs[k]));
    }
    defines.emplace_back(fmt::format("X{}", k),
                         used ? type_text(problem.inputs[k].storage, space.strides[k + 1].back() != 0) : "f32");
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
  dispatch.set_uniforms(params_of(problem.program, space, width, groups));
  dispatch.groups = fold_groups(ceil_div64(groups, wg), recorder.caps());
  recorder.add(std::move(dispatch));
}

}  // namespace sluice::kernels
