// Quantized linear operators, statistics and operators that make tensors: what inference makes of them, or refuses.
#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

Attribute i(int64_t value) { return value; }
Attribute s(const char* value) { return std::string(value); }

void check(const std::vector<OpCase>& cases) {
  for (const OpCase& op_case : cases) {
    const std::string result = infer_op(op_case);
    if (op_case.expected[0] == '!') {
      EXPECT_EQ(result[0], '!') << op_case.op << " was accepted: " << result;
      EXPECT_NE(result.find(op_case.expected.substr(2)), std::string::npos)
          << op_case.op << "\nsays:       " << result << "should say: " << op_case.expected.substr(2);
    } else {
      EXPECT_EQ(result, op_case.expected) << op_case.op;
    }
  }
}

TEST(InferLinear, Quantization) {
  check({
      {"QuantizeLinear", {"float[2, n]", "float[]"}, {}, "uint8[2, n]"},
      {"QuantizeLinear", {"float16[2, n]", "float16[1]", "int8[1]"}, {}, "int8[2, n]"},
      {"QuantizeLinear", {"float[2, 3]", "float[3]", "int16[3]"}, {}, "int16[2, 3]"},
      {"QuantizeLinear", {"float[2, 3]", "float[]"}, {{"output_dtype", i(3)}}, "int8[2, 3]"},
      {"QuantizeLinear", {"float[2, 3]", "float[2]"}, {}, "! the scale must be [3], got [2]"},
      {"QuantizeLinear", {"float[2, 3]", "float[]", "float[]"}, {}, "! an integer of 4, 8 or 16 bits"},
      {"DequantizeLinear", {"uint8[2, 3]", "float16[2]", "uint8[2]"}, {{"axis", i(0)}}, "float16[2, 3]"},
      {"DequantizeLinear", {"int4[2, 8]", "float[2, 2]"}, {{"block_size", i(4)}}, "float[2, 8]"},
      {"DequantizeLinear", {"int4[2, 8]", "float[2, 2]"}, {{"block_size", i(3)}}, "! no multiple of the block size 3"},
      {"DequantizeLinear", {"int4[2, 8]", "float[2, 4]"}, {{"block_size", i(4)}}, "! the scale must be [2, 2]"},
      {"DequantizeLinear", {"int64[2]", "float[]"}, {}, "! x must be int32 or an integer"},
      {"DequantizeLinear", {"uint8[2]", "float[]", "int8[]"}, {}, "! x and the zero point must have one type"},
      {"DynamicQuantizeLinear", {"float[1, n, 8]"}, {}, "uint8[1, n, 8]; float[]; uint8[]"},
      {"DynamicQuantizeLinear", {"float16[8]"}, {}, "! x must be float"},
      {"MatMulInteger", {"uint8[b, n, 8]", "int8[8, 5]"}, {}, "int32[b, n, 5]"},
      {"MatMulInteger", {"uint8[2, 8]", "int8[8, 5]", "uint8[2]", "int8[5]"}, {}, "int32[2, 5]"},
      {"MatMulInteger", {"uint8[2, 8]", "int8[7, 5]"}, {}, "! cannot multiply [2, 8] by [7, 5]"},
      {"MatMulInteger", {"uint8[2, 8]", "int8[8, 5]", "_", "int8[4]"}, {}, "! the zero point of B must be [5]"},
      {"MatMulInteger", {"uint8[8]", "int8[8, 5]"}, {}, "! A must have rank 2 or more"},
      {"MatMulInteger", {"float[2, 8]", "int8[8, 5]"}, {}, "! A must be int8 or uint8"},
  });
}

TEST(InferLinear, Statistics) {
  check({
      {"BatchNormalization", {"float[n, 3, 5]", "float[3]", "float[3]", "float[3]", "float[3]"}, {}, "float[n, 3, 5]"},
      {"BatchNormalization", {"float[3]", "float[3]", "float[3]", "float[3]", "float[3]"}, {}, "! rank 2 or more"},
      {"InstanceNormalization", {"float[2, 3, 5]", "float[3]", "float[2]"}, {}, "! B must be [3], got [2]"},
      {"GroupNormalization", {"float[2, 6, 5]", "float[6]", "float[6]"}, {{"num_groups", i(3)}}, "float[2, 6, 5]"},
      {"GroupNormalization", {"float[2, 6, 5]", "float[3]", "float[3]"}, {{"num_groups", i(3)}}, "float[2, 6, 5]", 20},
      {"GroupNormalization", {"float[2, 6, 5]", "float[6]", "float[6]"}, {}, "! attribute num_groups is missing"},
      {"LpNormalization", {"float[2, n]"}, {{"p", i(1)}}, "float[2, n]"},
      {"MeanVarianceNormalization", {"float[2, 3, 4, n]"}, {}, "float[2, 3, 4, n]"},
      {"GlobalAveragePool", {"float[2, 3, n, 5]"}, {}, "float[2, 3, 1, 1]"},
      {"ReduceLogSum", {"float[2, n]", "={-1}"}, {{"keepdims", i(0)}}, "float[2]"},
      {"Hardmax", {"float[2, n]"}, {{"axis", i(2)}}, "! axis 2 is out of range"},
  });
}

TEST(InferLinear, MadeTensors) {
  check({
      {"OneHot", {"int64[2, n]", "=5", "float[2]"}, {}, "float[2, n, 5]"},
      {"OneHot", {"int64[2, n]", "=5", "int8[2]"}, {{"axis", i(0)}}, "int8[5, 2, n]"},
      {"OneHot", {"int64[2]", "int64[]", "float[2]"}, {}, "! depth must be known"},
      {"EyeLike", {"float[3, n]"}, {}, "float[3, n]"},
      {"EyeLike", {"float[3, 4]"}, {{"dtype", i(7)}}, "int64[3, 4]"},
      {"EyeLike", {"float[3, 4]"}, {{"dtype", i(99)}}, "! dtype 99 is not known"},
      {"DepthToSpace", {"float[1, 8, 2, 3]"}, {{"blocksize", i(2)}}, "float[1, 2, 4, 6]"},
      {"SpaceToDepth", {"float[1, 2, 4, 6]"}, {{"blocksize", i(2)}}, "float[1, 8, 2, 3]"},
      {"SpaceToDepth", {"float[1, 2, n, 6]"}, {{"blocksize", i(2)}}, "! must be known at compile time"},
      {"NonZero", {"float[3]"}, {}, "! the size of its output depends on the data"},
      {"BitShift", {"uint8[3]", "uint8[3]"}, {{"direction", s("LEFT")}}, "uint8[3]"},
      {"BitwiseOr", {"int64[2, 1]", "int64[3]"}, {}, "int64[2, 3]"},
      {"BitwiseNot", {"bool[2]"}, {}, "! must be integers"},
      {"Selu", {"int32[2]"}, {}, "! must be floats"},
  });
}

// Positions: a range from the number of past tokens on is known element by element.
TEST(InferLinear, RangesKeepSymbols) {
  GraphBuilder builder;
  const ValueId past = builder.value("float[past, 2]"), all = builder.value("float[past+3, 2]");
  const auto size_of = [&](ValueId id) {
    const ValueId shape = builder.node("Shape", {id})[0];
    return builder.node("Gather", {shape, builder.value("=0")})[0];
  };
  const ValueId start = size_of(past), limit = size_of(all);
  const ValueId range = builder.node("Range", {start, limit, builder.value("=1")})[0];
  builder.graph.outputs = {range};
  EXPECT_TRUE(infer(builder.graph, {}).empty());
  EXPECT_EQ(builder.text(range), "int64[3]={past, past+1, past+2}");
}

}  // namespace
}  // namespace sluice::graph
