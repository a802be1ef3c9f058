#include "kernels/conv/causal_conv.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "CausalConvWithState";
constexpr uint32_t kGroup = 256;
constexpr uint32_t kMaxWidth = 16;

// Mirrors Params of causal_conv.wgsl.
struct alignas(16) ConvParams {
  uint32_t channels, all, seq;
  uint32_t pad0 = 0;
};
static_assert(sizeof(ConvParams) == 16);

enum Step : uint32_t { kOutput, kState, kBoth };

void check(const CausalConvProblem& p) {
  if (p.x.rank() != 3 || p.weight.rank() != 3)
    fail(kTag, "input and weight must have 3 dimensions: only ndim 1 is supported");
  const uint32_t batch = p.x.shape[0], channels = p.x.shape[1], width = p.weight.shape[2];
  if (p.weight.shape[0] != channels || p.weight.shape[1] != 1) {
    fail(kTag, "weight must be [{}, 1, K], got [{}]", channels, fmt::join(p.weight.shape, ", "));
  }
  if (width == 0 || width > kMaxWidth) fail(kTag, "the kernel may be 1 to {} wide, got {}", kMaxWidth, width);
  if (p.y.shape != p.x.shape) fail(kTag, "output must have the input's shape");
  if (p.bias && p.bias.shape != std::vector<uint32_t>{channels}) fail(kTag, "bias must have {} elements", channels);
  const std::vector<uint32_t> state{batch, channels, width - 1};
  for (const Tensor* t : {&p.past, &p.present}) {
    if (*t && t->shape != state)
      fail(kTag, "states must be [{}], got [{}]", fmt::join(state, ", "), fmt::join(t->shape, ", "));
  }
  for (const Tensor* t : {&p.x, &p.weight, &p.bias, &p.past, &p.y, &p.present}) {
    if (*t && (t->storage != p.x.storage || (t->storage != Storage::kF32 && t->storage != Storage::kF16))) {
      fail(kTag, "all tensors must share one type, float or float16");
    }
  }
  if (p.active && (p.active.storage != Storage::kU32 || p.active.elements() != 1))
    fail(kTag, "active must be one flag");
  if (p.x.elements() > UINT32_MAX) fail(kTag, "input may hold at most 2^32-1 elements, got {}", p.x.elements());
}

void add(const CausalConvProblem& p, Step step, Recorder& recorder) {
  const Tensor none;
  const bool writes_state = step != kOutput;
  const bool in_place = writes_state && p.past && p.past.slot == p.present.slot;
  const ConvParams params{.channels = p.x.shape[1], .all = p.x.shape[0] * p.x.shape[1], .seq = p.x.shape[2]};
  Bindings bindings(step == kState ? "causal_conv/state" : "causal_conv", "kernels/conv/causal_conv.wgsl");
  bindings.read("X", p.x)
      .read("WEIGHT", step == kState ? none : p.weight)
      .write("Y", step == kState ? none : p.y)
      .read("BIAS", step == kState ? none : p.bias)
      .read("PAST", in_place ? none : p.past)
      .read("ACTIVE", writes_state ? p.active : none)
      .write("PRESENT", writes_state ? p.present : none)
      .define("STEP", step)
      .define("K", p.weight.shape[2])
      .define("IN_PLACE", in_place)
      .define("SILU", p.activation == ConvActivation::kSilu)
      .type("T", wgsl_type(p.x.storage));
  const uint64_t threads = step == kOutput ? p.x.elements() : params.all;
  recorder.add(bindings.finish(params, fold_groups(ceil_div64(threads, kGroup), recorder.caps())));
}

}  // namespace

void plan_causal_conv(const CausalConvProblem& problem, Recorder& recorder) {
  CausalConvProblem p = problem;
  check(p);
  if (p.x.elements() == 0) return;
  // A kernel of width 1 carries nothing: there is no buffer to bind.
  if (p.weight.shape[2] == 1) p.past = p.present = Tensor{};
  if (p.x.shape[2] == 1) return add(p, kBoth, recorder);
  add(p, kOutput, recorder);
  if (p.present) add(p, kState, recorder);
}

}  // namespace sluice::kernels
