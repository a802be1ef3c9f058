#include "kernels/conv/conv.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "Conv";
constexpr uint32_t kGroup = 256;

// Mirrors Params of conv.wgsl.
struct alignas(16) ConvParams {
  uint32_t outputs, channels, filters, group_channels, group_filters;
  uint32_t in_h, in_w, out_h, out_w, kernel_h, kernel_w;
  uint32_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(ConvParams) == 80);

// Checks that the axis' output has the size that its input, kernel and padding give.
void check_axis(const ConvAxis& a, uint32_t in, uint32_t kernel, uint32_t out) {
  if (a.stride == 0 || a.dilation == 0 || kernel == 0)
    fail(kTag, "strides, dilations and kernel sizes must be at least 1, got {}, {} and {}", a.stride, a.dilation,
         kernel);
  const int64_t room = int64_t{in} + a.pad_begin + a.pad_end - int64_t{a.dilation} * (kernel - 1) - 1;
  if (room < 0 || room / a.stride + 1 != out)
    fail(kTag, "an axis of {} with padding {} and {} does not give {} outputs for a kernel of {}", in, a.pad_begin,
         a.pad_end, out, kernel);
  if (int64_t{in} + a.pad_begin + a.pad_end > INT32_MAX)
    fail(kTag, "a padded axis may be at most 2^31-1 long, got {} + {} + {}", in, a.pad_begin, a.pad_end);
}

void check(const ConvProblem& p) {
  const auto &x = p.x.shape, &w = p.w.shape, &y = p.y.shape;
  if (x.size() != 3 && x.size() != 4) fail(kTag, "input must have 3 or 4 dimensions, got {}", x.size());
  if (w.size() != x.size() || y.size() != x.size()) fail(kTag, "input, weight and output must have one rank");
  if (p.group == 0 || x[1] != w[1] * uint64_t{p.group} || w[0] % p.group != 0) {
    fail(kTag, "group {} does not divide {} channels into {} and {} filters", p.group, x[1], w[1], w[0]);
  }
  if (y[0] != x[0] || y[1] != w[0])
    fail(kTag, "output must be [{}, {}, ...], got [{}]", x[0], w[0], fmt::join(y, ", "));
  for (size_t i = 2; i < x.size(); ++i) check_axis(p.axes[i - x.size() + 2], x[i], w[i], y[i]);
  if (p.bias && p.bias.shape != std::vector<uint32_t>{w[0]}) fail(kTag, "bias must have {} elements", w[0]);
  for (const Tensor* t : {&p.x, &p.w, &p.bias, &p.y}) {
    if (*t && (t->storage != p.x.storage || (t->storage != Storage::kF32 && t->storage != Storage::kF16)))
      fail(kTag, "all tensors must share one type, float or float16");
    if (*t && t->elements() > UINT32_MAX) fail(kTag, "tensors may hold at most 2^32-1 elements, got {}", t->elements());
  }
}

}  // namespace

void plan_conv(const ConvProblem& p, Recorder& recorder) {
  check(p);
  if (p.y.elements() == 0) return;
  const auto &x = p.x.shape, &w = p.w.shape, &y = p.y.shape;
  const bool flat = x.size() == 3;
  const ConvAxis h = flat ? ConvAxis{} : p.axes[0], v = p.axes[1];
  const ConvParams params{.outputs = static_cast<uint32_t>(p.y.elements()),
                          .channels = x[1],
                          .filters = w[0],
                          .group_channels = w[1],
                          .group_filters = w[0] / p.group,
                          .in_h = flat ? 1 : x[2],
                          .in_w = x.back(),
                          .out_h = flat ? 1 : y[2],
                          .out_w = y.back(),
                          .kernel_h = flat ? 1 : w[2],
                          .kernel_w = w.back(),
                          .stride_h = h.stride,
                          .stride_w = v.stride,
                          .dilation_h = h.dilation,
                          .dilation_w = v.dilation,
                          .pad_h = h.pad_begin,
                          .pad_w = v.pad_begin};
  Bindings bindings("conv", "kernels/conv/conv.wgsl");
  bindings.read("X", p.x).read("W", p.w).read("BIAS", p.bias).write("Y", p.y).type("T", wgsl_type(p.x.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.outputs, kGroup), recorder.caps())));
}

}  // namespace sluice::kernels
