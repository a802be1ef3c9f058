#include "kernels/attention/linear_gates.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kGroup = 256;

// Mirrors Params of linear_gate.wgsl.
struct alignas(16) GateParams {
  uint32_t elements, heads;
  uint32_t pad0 = 0, pad1 = 0;
};
static_assert(sizeof(GateParams) == 16);

// Mirrors Params of gated_rms_norm.wgsl.
struct alignas(16) NormParams {
  uint32_t rows, size;
  float epsilon;
  uint32_t pad0 = 0;
};
static_assert(sizeof(NormParams) == 16);

// A float tensor of the shape and storage of another.
void check_like(const char* tag, const Tensor& t, const char* what, const Tensor& like) {
  if (t.storage != Storage::kF32 && t.storage != Storage::kF16) fail(tag, "{} must be float or float16", what);
  if (t.shape != like.shape || t.storage != like.storage) {
    fail(tag, "{} must have the input's type and shape [{}], got [{}]", what, fmt::join(like.shape, ", "),
         fmt::join(t.shape, ", "));
  }
  if (t.elements() > UINT32_MAX) fail(tag, "{} may hold at most 2^32-1 elements, got {}", what, t.elements());
}

}  // namespace

void plan_linear_gate(const LinearGateProblem& p, Recorder& recorder) {
  constexpr const char* kTag = "LinearAttentionGate";
  if (p.a.rank() != 3) fail(kTag, "a must have 3 dimensions, got {}", p.a.rank());
  check_like(kTag, p.a, "a", p.a);
  check_like(kTag, p.decay, "decay", p.a);
  for (const Tensor* t : {&p.dt_bias, &p.decay_scale}) {
    if (t->storage != Storage::kF32 || t->shape != std::vector<uint32_t>{p.a.last()})
      fail(kTag, "dt_bias and decay_scale must be {} floats", p.a.last());
  }
  if (p.beta && !p.b) fail(kTag, "beta needs b");
  if (p.beta) {
    check_like(kTag, p.b, "b", p.a);
    check_like(kTag, p.beta, "beta", p.a);
  }
  const GateParams params{.elements = static_cast<uint32_t>(p.a.elements()), .heads = p.a.last()};
  if (params.elements == 0) return;
  Bindings bindings("linear_gate", "kernels/attention/linear_gate.wgsl");
  bindings.read("A", p.a)
      .read("DT", p.dt_bias)
      .read("SCALE", p.decay_scale)
      .read("B", p.beta ? p.b : Tensor{})
      .write("DECAY", p.decay)
      .write("BETA", p.beta)
      .type("T", wgsl_type(p.a.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.elements, kGroup), recorder.caps())));
}

void plan_gated_rms_norm(const GatedRmsNormProblem& p, Recorder& recorder) {
  constexpr const char* kTag = "GatedRMSNorm";
  if (p.x.rank() == 0) fail(kTag, "the input must not be a scalar");
  check_like(kTag, p.x, "the input", p.x);
  check_like(kTag, p.gate, "gate", p.x);
  check_like(kTag, p.y, "the output", p.x);
  if (p.scale.rank() != 1 || p.scale.storage != p.x.storage) fail(kTag, "scale must be a vector of the input's type");
  const uint32_t size = p.scale.last();
  if (size == 0 || p.x.last() % size != 0)
    fail(kTag, "the last dimension {} must be a multiple of scale's length {}", p.x.last(), size);
  if (p.y.slot == p.x.slot || p.y.slot == p.gate.slot) fail(kTag, "input and output must lie in different buffers");
  const NormParams params{.rows = static_cast<uint32_t>(p.x.elements() / size), .size = size, .epsilon = p.epsilon};
  if (params.rows == 0) return;
  Bindings bindings("gated_rms_norm", "kernels/attention/gated_rms_norm.wgsl");
  bindings.read("X", p.x)
      .read("SCALE", p.scale)
      .read("GATE", p.gate)
      .write("Y", p.y)
      .define("SILU", p.activation == GateActivation::kSilu)
      .type("T", wgsl_type(p.x.storage));
  recorder.add(bindings.finish(params, fold_groups(params.rows, recorder.caps())));
}

}  // namespace sluice::kernels
