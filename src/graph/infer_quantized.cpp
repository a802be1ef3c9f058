// Operators of com.microsoft over quantized weights, and the unquantized MoE that shares QMoE's layout. Shapes and
// packing follow ONNX Runtime's ContribOperators.md; what its text leaves open follows its CPU kernels.
#include <array>
#include <bit>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

constexpr int64_t kMaxSize = 0x7fffffff;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

Shape constant_shape(std::initializer_list<int64_t> dims) {
  Shape shape;
  for (const int64_t dim : dims) shape.push_back({dim, 0});
  return shape;
}

int64_t quantized_bits(NodeInfer& n, std::string_view attribute) {
  const int64_t bits = n.node().i(attribute, 4);
  if (bits != 2 && bits != 4 && bits != 8) n.refuse("{} must be 2, 4 or 8, got {}", attribute, bits);
  return bits;
}

bool is_block_size(int64_t size) {
  return size >= 16 && size <= kMaxSize && std::has_single_bit(static_cast<uint64_t>(size));
}

int64_t required_block_size(NodeInfer& n, std::optional<int64_t> otherwise) {
  const int64_t size = n.attribute("block_size", 0, kMaxSize, otherwise);
  if (!is_block_size(size)) n.refuse("block_size must be a power of two, 16 or more, got {}", size);
  return size;
}

// Like expect_shape, with the expected dimensions' meaning in the message; `may_be_flat` accepts one dimension of as
// many elements.
struct Expected {
  std::string_view name;
  std::string_view meaning;
  Shape shape;
  bool may_be_flat = false;
};

void expect(NodeInfer& n, size_t i, const Expected& expected) {
  if (!n.has(i)) return;
  const Shape& got = n.shape(i);
  bool fits = got.size() == expected.shape.size();
  for (size_t j = 0; fits && j < got.size(); ++j) fits = !surely_differ(got[j], expected.shape[j]);
  if (!fits && expected.may_be_flat && got.size() == 1)
    fits = constant_elements(got) == constant_elements(expected.shape);
  if (!fits) {
    n.problem("{} must be {} = {}, got {}", expected.name, expected.meaning, n.text(expected.shape), n.text(got));
  }
}

void infer_matmul_nbits(NodeInfer& n) {
  const int64_t columns = n.size_attribute("N");
  const int64_t depth = n.size_attribute("K");
  const int64_t bits = quantized_bits(n, "bits");
  const int64_t block = required_block_size(n, std::nullopt);
  const int64_t blocks = ceil_div(depth, block);
  n.expect_float(0, "A");
  if (n.rank(0) == 0) n.refuse("A must not be a scalar");
  Shape to = n.shape(0);
  if (surely_differ(to.back(), {depth, 0}))
    n.problem("the last dimension of A must be K = {}, got {}", depth, n.text(to));
  n.expect_dtype(1, "B", {DType::kUint8});
  expect(n, 1,
         {"B", "(N, ceil(K/block_size), block_size*bits/8)", constant_shape({columns, blocks, block * bits / 8})});
  n.expect_float(2, "scales");
  expect(n, 2, {"scales", "(N, ceil(K/block_size))", constant_shape({columns, blocks}), true});
  if (n.has(3) && n.dtype(3) == DType::kUint8) {
    const int64_t packed = ceil_div(blocks * bits, 8);
    expect(n, 3, {"zero_points", "(N, ceil(blocks*bits/8))", constant_shape({columns, packed}), true});
  } else if (n.has(3)) {
    n.expect_float(3, "zero_points");
    expect(n, 3, {"zero_points", "(N, blocks)", constant_shape({columns, blocks}), true});
  }
  if (n.has(4)) n.problem("input g_idx is not supported");
  n.expect_float(5, "bias");
  expect(n, 5, {"bias", "(N)", constant_shape({columns})});
  if (n.node().i("weight_prepacked", 0) != 0)
    n.problem("weight_prepacked must be 0, got {}", n.node().i("weight_prepacked", 0));
  to.back() = {columns, 0};
  n.set(0, n.dtype(0), std::move(to));
}

// Sizes of a mixture of experts.
struct Experts {
  Dim tokens;
  int64_t hidden = 0;
  int64_t experts = 0;
  int64_t inner = 0;  // of an expert
  int64_t rows1 = 0;  // of the first projection: twice `inner` where gate and value share it
};

int64_t constant_dim(NodeInfer& n, size_t i, std::string_view name, size_t axis) {
  const Dim& dim = n.shape(i)[axis];
  if (!dim.is_constant() || dim.value < 1 || dim.value > kMaxSize) {
    n.refuse("dimension {} of {} must be 1 to {}, got {}", axis, name, kMaxSize, n.text(n.shape(i)));
  }
  return dim.value;
}

// Reads the sizes from input 0, router_probs and the second projection at `fc2`, whose last dimension holds `packed`
// values an element.
Experts read_experts(NodeInfer& n, size_t fc2, int64_t packed) {
  const Shape& x = n.shape(0);
  n.expect_float(0, "input");
  n.expect_float(1, "router_probs");
  if (x.size() != 2 && x.size() != 3)
    n.refuse("input must be (tokens, hidden) or (batch, sequence, hidden), got {}", n.text(x));
  n.expect_rank(1, "router_probs", 2);
  n.expect_rank(fc2, "fc2_experts_weights", 3);
  Experts sizes;
  sizes.tokens = product(std::span(x).first(x.size() - 1), n.graph());
  sizes.hidden = constant_dim(n, 0, "input", x.size() - 1);
  sizes.experts = constant_dim(n, 1, "router_probs", 1);
  sizes.inner = constant_dim(n, fc2, "fc2_experts_weights", 2) * packed;
  const std::string activation = n.node().s("activation_type", "relu");
  const int64_t fusion = n.attribute("swiglu_fusion", 0, 2, 0);
  sizes.rows1 = sizes.inner * (activation == "swiglu" && fusion != 0 ? 2 : 1);
  n.attribute("k", 1, sizes.experts, 1);
  n.attribute("normalize_routing_weights", 0, 1, 0);
  n.attribute("use_sparse_mixer", 0, 1, 0);
  n.attribute("num_shared_experts", 0, 0, 0);
  expect(n, 1, {"router_probs", "(tokens, experts)", {sizes.tokens, {sizes.experts, 0}}});
  return sizes;
}

// One quantized projection of all experts: weights, scales, bias and zero points by input index.
struct Projection {
  std::string_view name;
  size_t weights, scales, bias, zero_points;
  int64_t rows, depth;
};

void check_projection(NodeInfer& n, const Projection& p, int64_t experts, int64_t block) {
  if (!n.has(p.weights)) {
    if (n.has(p.scales) || n.has(p.bias) || n.has(p.zero_points)) n.problem("{}_experts_weights is missing", p.name);
    return;
  }
  const int64_t bits = n.node().i("expert_weight_bits", 4);
  const int64_t packed = 8 / bits;
  const auto input = [&](std::string_view what) { return fmt::format("{}_{}", p.name, what); };
  const std::string weights = input("experts_weights");
  n.expect_dtype(p.weights, weights, {DType::kUint8});
  if (p.depth % packed != 0) n.problem("{} packs {} values a byte, but its depth is {}", weights, packed, p.depth);
  expect(n, p.weights, {weights, "(experts, rows, depth*bits/8)", constant_shape({experts, p.rows, p.depth / packed})});
  const std::string scales = input("scales");
  const std::string zero_points = input("zero_points");
  if (!n.has(p.scales)) n.problem("{} is missing", scales);
  n.expect_float(p.scales, scales);
  n.expect_dtype(p.zero_points, zero_points, {DType::kUint8});
  if (block == 0) {
    expect(n, p.scales, {scales, "(experts, rows)", constant_shape({experts, p.rows})});
    expect(n, p.zero_points,
           {zero_points, "(experts, rows*bits/8)", constant_shape({experts, ceil_div(p.rows, packed)})});
  } else {
    if (p.depth % block != 0) n.problem("block_size {} does not divide {}, the depth of {}", block, p.depth, weights);
    const int64_t blocks = ceil_div(p.depth, block);
    expect(n, p.scales, {scales, "(experts, rows, depth/block_size)", constant_shape({experts, p.rows, blocks})});
    expect(
        n, p.zero_points,
        {zero_points, "(experts, rows, blocks*bits/8)", constant_shape({experts, p.rows, ceil_div(blocks, packed)})});
  }
  const std::string bias = input("experts_bias");
  n.expect_float(p.bias, bias);
  expect(n, p.bias, {bias, "(experts, rows)", constant_shape({experts, p.rows})});
}

void infer_qmoe(NodeInfer& n) {
  if (!n.has(5)) n.refuse("input fc2_experts_weights is missing");
  const std::string kind = n.node().s("quant_type", "int");
  if (kind != "int") n.refuse("quant_type must be \"int\", got \"{}\"", kind);
  const int64_t bits = quantized_bits(n, "expert_weight_bits");
  const int64_t block = n.attribute("block_size", 0, kMaxSize, 0);
  if (block != 0 && !is_block_size(block)) n.refuse("block_size must be a power of two, 16 or more, got {}", block);
  const Experts sizes = read_experts(n, 5, 8 / bits);
  check_projection(n, {"fc1", 2, 3, 4, 11, sizes.rows1, sizes.hidden}, sizes.experts, block);
  check_projection(n, {"fc2", 5, 6, 7, 12, sizes.hidden, sizes.inner}, sizes.experts, block);
  check_projection(n, {"fc3", 8, 9, 10, 13, sizes.inner, sizes.hidden}, sizes.experts, block);
  n.expect_float(14, "router_weights");
  expect(n, 14, {"router_weights", "(tokens, experts)", {sizes.tokens, {sizes.experts, 0}}});
  static constexpr std::array<std::string_view, 6> kScales = {"fc1_global_scale",    "fc2_global_scale",
                                                              "fc1_act_scale",       "fc2_act_scale",
                                                              "fc1_act_block_scale", "fc2_act_block_scale"};
  for (size_t i = 15; i < n.inputs(); ++i) {
    if (!n.has(i)) continue;
    const std::string_view name = i < 15 + kScales.size() ? kScales[i - 15] : "unknown";
    n.problem("input {} ({}) belongs to a floating-point quantization, which is not supported", i, name);
  }
  if (const int64_t packed = n.node().i("weights_prepacked", -1); packed != -1 && packed != 0) {
    n.problem("weights_prepacked must be -1 or 0, got {}: export the weights for WebGPU or the CPU", packed);
  }
  n.set(0, n.dtype(0), n.shape(0));
}

// The operator's first schema had the weights of both projections side by side, transposed.
void refuse_first_moe_schema(NodeInfer& n) {
  if (n.has(3) && n.rank(3) == 3) {
    n.refuse(
        "input 3 must be fc1_experts_bias, got {}: an export of MoE's first schema (fc2_experts_weights at index 3)",
        n.text(n.shape(3)));
  }
}

void infer_moe(NodeInfer& n) {
  refuse_first_moe_schema(n);
  if (!n.has(4)) n.refuse("input fc2_experts_weights is missing");
  static constexpr std::array<std::string_view, 6> kNames = {"fc1_experts_weights", "fc1_experts_bias",
                                                             "fc2_experts_weights", "fc2_experts_bias",
                                                             "fc3_experts_weights", "fc3_experts_bias"};
  for (size_t i = 0; i < kNames.size(); ++i) n.expect_float(2 + i, kNames[i]);
  if (n.has(7) && !n.has(6)) n.problem("fc3_experts_weights is missing");
  const Experts sizes = read_experts(n, 4, 1);
  const auto experts = [&](std::initializer_list<int64_t> rest) {
    Shape shape = constant_shape({sizes.experts});
    for (const int64_t dim : rest) shape.push_back({dim, 0});
    return shape;
  };
  expect(n, 2, {"fc1_experts_weights", "(experts, rows, hidden)", experts({sizes.rows1, sizes.hidden})});
  expect(n, 3, {"fc1_experts_bias", "(experts, rows)", experts({sizes.rows1})});
  expect(n, 4, {"fc2_experts_weights", "(experts, hidden, inner)", experts({sizes.hidden, sizes.inner})});
  expect(n, 5, {"fc2_experts_bias", "(experts, hidden)", experts({sizes.hidden})});
  expect(n, 6, {"fc3_experts_weights", "(experts, inner, hidden)", experts({sizes.inner, sizes.hidden})});
  expect(n, 7, {"fc3_experts_bias", "(experts, inner)", experts({sizes.inner})});
  n.set(0, n.dtype(0), n.shape(0));
}

// uint8 data packs bits along its last axis and allows one choice of axes; 4-bit types hold one value an element.
void check_gather_axes(NodeInfer& n, size_t gather_axis, size_t quantize_axis) {
  const size_t rank = n.rank(0);
  const int64_t bits = n.node().i("bits", 4);
  if (n.dtype(0) == DType::kUint8) {
    if (gather_axis != 0) n.problem("gather_axis must be 0 for uint8 data, got {}", gather_axis);
    if (quantize_axis + 1 != rank) n.problem("quantize_axis must be the last for uint8 data, got {}", quantize_axis);
  } else if (bits != 4) {
    n.problem("bits must be 4 for 4-bit data, got {}", bits);
  }
}

void infer_gather_block_quantized(NodeInfer& n) {
  n.expect_dtype(0, "data", {DType::kUint8, DType::kInt4, DType::kUint4});
  n.expect_index(1, "indices");
  n.expect_float(2, "scales");
  const Shape& data = n.shape(0);
  if (data.size() < 2) n.refuse("data must have 2 dimensions or more, got {}", n.text(data));
  const bool is_bytes = n.dtype(0) == DType::kUint8;
  const int64_t bits = quantized_bits(n, "bits");
  const int64_t block = required_block_size(n, 128);
  const size_t gather_axis = n.axis(n.node().i("gather_axis", 0), data.size());
  const size_t quantize_axis = n.axis(n.node().i("quantize_axis", 1), data.size());
  check_gather_axes(n, gather_axis, quantize_axis);
  const int64_t packed = is_bytes ? 8 / bits : 1;
  Shape values = data;
  values.back() = {saturating_mul(constant_dim(n, 0, "data", data.size() - 1), packed), 0};
  Shape scales = values;
  scales[quantize_axis] = {ceil_div(constant_dim(n, 0, "data", quantize_axis) * (is_bytes ? packed : 1), block), 0};
  expect(n, 2, {"scales", "data's shape with blocks for the quantized axis", scales});
  if (n.has(3)) {
    n.expect_same_dtype(0, 3, "data and zero_points");
    Shape zero_points = scales;
    if (is_bytes) zero_points.back().value = ceil_div(zero_points.back().value, packed);
    expect(n, 3, {"zero_points", "scales' shape, packed as data", zero_points});
  }
  Shape to(values.begin(), values.begin() + static_cast<ptrdiff_t>(gather_axis));
  to.insert(to.end(), n.shape(1).begin(), n.shape(1).end());
  to.insert(to.end(), values.begin() + static_cast<ptrdiff_t>(gather_axis) + 1, values.end());
  n.set(0, n.dtype(2), std::move(to));
}

constexpr OpRule kRules[] = {
    {kMicrosoft, "MatMulNBits", 3, infer_matmul_nbits},
    {kMicrosoft, "QMoE", 3, infer_qmoe},
    {kMicrosoft, "MoE", 3, infer_moe},
    {kMicrosoft, "GatherBlockQuantized", 3, infer_gather_block_quantized},
};

}  // namespace

std::span<const OpRule> quantized_rules() { return kRules; }

}  // namespace sluice::graph
