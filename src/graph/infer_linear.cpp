// Linear quantization: QuantizeLinear and its inverse, and products of what it gives.
#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

bool is_narrow(DType type) {
  return type == DType::kInt8 || type == DType::kUint8 || type == DType::kInt16 || type == DType::kUint16 ||
         type == DType::kInt4 || type == DType::kUint4;
}

// scale (and a zero point of its shape): one number, one for each index along `axis`, or, with block_size, one for each
// block along it.
void check_scale(NodeInfer& n) {
  const Shape& x = n.shape(0);
  n.expect_float(1, "the scale");
  n.expect_shape(2, "the zero point", n.shape(1));
  const int64_t block = n.attribute("block_size", 0, 0x7fffffff, 0);
  if (n.rank(1) == 0 || (n.rank(1) == 1 && block == 0 && n.shape(1)[0] == Dim{1, 0})) return;
  const size_t axis = n.axis(n.node().i("axis", 1), x.size());
  if (block == 0) return n.expect_shape(1, "the scale", {x[axis]});
  Shape blocks = x;
  if (!x[axis].is_constant() || x[axis].value % block != 0)
    n.refuse("axis {} of {} is no multiple of the block size {}", axis, n.text(x), block);
  blocks[axis].value /= block;
  n.expect_shape(1, "the scale", blocks);
}

void infer_quantize(NodeInfer& n) {
  n.expect_float(0, "x");
  check_scale(n);
  const int64_t number = n.attribute("output_dtype", 0, 0x7fffffff, 0);
  const std::optional<DType> to = n.has(2) ? n.dtype(2) : number == 0 ? DType::kUint8 : dtype_of_onnx(number);
  if (!to || !is_narrow(*to)) n.refuse("the result must be an integer of 4, 8 or 16 bits");
  n.set(0, *to, n.shape(0));
}

void infer_dequantize(NodeInfer& n) {
  if (!is_narrow(n.dtype(0)) && n.dtype(0) != DType::kInt32)
    n.refuse("x must be int32 or an integer of 4, 8 or 16 bits, got {}", name(n.dtype(0)));
  check_scale(n);
  n.expect_same_dtype(0, 2, "x and the zero point");
  const int64_t number = n.attribute("output_dtype", 0, 0x7fffffff, 0);
  const std::optional<DType> to = number == 0 ? n.dtype(1) : dtype_of_onnx(number);
  if (!to || !is_float(*to)) n.refuse("the result must be a float");
  n.set(0, *to, n.shape(0));
}

void infer_dynamic_quantize(NodeInfer& n) {
  n.expect_dtype(0, "x", {DType::kFloat});
  n.set(0, DType::kUint8, n.shape(0));
  n.set(1, DType::kFloat, {});
  n.set(2, DType::kUint8, {});
}

// A (.., M, K) by B (.., K, N) as int32; zero points are one number, or one for each row of A and column of B.
void infer_matmul_integer(NodeInfer& n) {
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const char* which = i == 0 ? "A" : "B";
    n.expect_dtype(i, which, {DType::kInt8, DType::kUint8});
    n.expect_same_dtype(i, i + 2, i == 0 ? "A and its zero point" : "B and its zero point");
    if (n.rank(i) < 2) n.refuse("{} must have rank 2 or more, got {}", which, n.text(n.shape(i)));
  }
  Shape a = n.shape(0);
  Shape b = n.shape(1);
  const Dim rows = a[a.size() - 2];
  const Dim columns = b.back();
  const bool fits = !surely_differ(a.back(), b[b.size() - 2]);
  const auto check_point = [&n](size_t i, const char* which, const Dim& size) {
    if (!n.has(i) || n.rank(i) == 0 || n.shape(i) == Shape{{1, 0}}) return;
    n.expect_shape(i, which, {size});
  };
  check_point(2, "the zero point of A", rows);
  check_point(3, "the zero point of B", columns);
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  std::optional<Shape> to = broadcast(a, b);
  if (!to || !fits) n.refuse("cannot multiply {} by {}", n.text(n.shape(0)), n.text(n.shape(1)));
  to->push_back(rows);
  to->push_back(columns);
  n.set(0, DType::kInt32, *std::move(to));
}

constexpr OpRule kRules[] = {
    {kOnnx, "QuantizeLinear", 2, infer_quantize},
    {kOnnx, "DequantizeLinear", 2, infer_dequantize},
    {kMicrosoft, "QuantizeLinear", 2, infer_quantize},
    {kMicrosoft, "DequantizeLinear", 2, infer_dequantize},
    {kOnnx, "DynamicQuantizeLinear", 1, infer_dynamic_quantize},
    {kOnnx, "MatMulInteger", 2, infer_matmul_integer},
};

}  // namespace

std::span<const OpRule> linear_rules() { return kRules; }

}  // namespace sluice::graph
