#include "kernels/conv/causal_conv.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "CausalConvWithState";
constexpr uint32_t kGroup = 256;
constexpr uint32_t kMaxWidth = 64;

// Mirrors Params of causal_conv.wgsl.
struct alignas(16) ConvParams {
  uint32_t channels, all, seq, dilation, tail;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(ConvParams) == 32);

enum Step : uint32_t { kOutput, kState, kBoth };

ConvParams sizes_of(const CausalConvProblem& p) {
  const auto& x = p.x.shape;
  if (p.channels_last ? x.size() < 3 : x.size() != 3)
    fail(kTag, "input must have {} dimensions, got {}", p.channels_last ? "3 or more" : "3", x.size());
  if (p.weight.rank() != 3) fail(kTag, "weight must have 3 dimensions, got {}", p.weight.rank());
  uint32_t channels = p.channels_last ? 1 : x[1];
  for (size_t i = 2; i < x.size() && p.channels_last; ++i) channels *= x[i];
  const uint32_t width = p.weight.shape[2];
  if (p.weight.shape[0] != channels || p.weight.shape[1] != 1) {
    fail(kTag, "weight must be [{}, 1, K], got [{}]", channels, fmt::join(p.weight.shape, ", "));
  }
  if (width == 0 || width > kMaxWidth) fail(kTag, "the kernel may be 1 to {} wide, got {}", kMaxWidth, width);
  if (p.dilation == 0 || uint64_t{width - 1} * p.dilation > INT32_MAX)
    fail(kTag, "dilation must be at least 1 and the state at most 2^31-1 long, got dilation {}", p.dilation);
  return {.channels = channels,
          .all = x[0] * channels,
          .seq = x[p.channels_last ? 1 : 2],
          .dilation = p.dilation,
          .tail = (width - 1) * p.dilation};
}

void check(const CausalConvProblem& p, const ConvParams& sizes) {
  if (p.y.shape != p.x.shape) fail(kTag, "output must have the input's shape");
  if (p.bias && p.bias.shape != std::vector<uint32_t>{sizes.channels})
    fail(kTag, "bias must have {} elements", sizes.channels);
  std::vector<uint32_t> state = p.x.shape;
  state[p.channels_last ? 1 : 2] = sizes.tail;
  for (const Tensor* t : {&p.past, &p.present}) {
    if (*t && t->shape != state)
      fail(kTag, "states must be [{}], got [{}]", fmt::join(state, ", "), fmt::join(t->shape, ", "));
    if (t->elements() > UINT32_MAX) fail(kTag, "a state may hold at most 2^32-1 elements, got {}", t->elements());
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

void add(const CausalConvProblem& p, const ConvParams& params, Step step, Recorder& recorder) {
  const Tensor none;
  const bool writes_state = step != kOutput;
  const bool in_place = writes_state && p.past && p.past.slot == p.present.slot;
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
      .define("CHANNELS_LAST", p.channels_last)
      .define("SILU", p.activation == ConvActivation::kSilu)
      .type("T", wgsl_type(p.x.storage));
  const uint64_t threads = step == kOutput ? p.x.elements() : params.all;
  recorder.add(bindings.finish(params, fold_groups(ceil_div64(threads, kGroup), recorder.caps())));
}

}  // namespace

void plan_causal_conv(const CausalConvProblem& problem, Recorder& recorder) {
  CausalConvProblem p = problem;
  const ConvParams sizes = sizes_of(p);
  check(p, sizes);
  if (p.x.elements() == 0) return;
  // A kernel of width 1 carries nothing: there is no buffer to bind.
  if (sizes.tail == 0) p.past = p.present = Tensor{};
  if (sizes.seq == 1) return add(p, sizes, kBoth, recorder);
  add(p, sizes, kOutput, recorder);
  if (p.present) add(p, sizes, kState, recorder);
}

}  // namespace sluice::kernels
