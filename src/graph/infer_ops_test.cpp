// One table of single operators: what inference makes of them, or what it refuses.
#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

using Ints = std::vector<int64_t>;

Attribute i(int64_t value) { return value; }
Attribute s(const char* value) { return std::string(value); }

void check(const std::vector<OpCase>& cases) {
  for (const OpCase& op_case : cases) {
    const std::string result = infer_op(op_case);
    std::string inputs;
    for (const std::string& input : op_case.inputs) inputs += (inputs.empty() ? "" : ", ") + input;
    const std::string label = op_case.op + "(" + inputs + ")";
    if (op_case.expected[0] == '!') {
      EXPECT_EQ(result[0], '!') << label << " was accepted: " << result;
      EXPECT_NE(result.find(op_case.expected.substr(2)), std::string::npos)
          << label << "\nsays:       " << result << "should say: " << op_case.expected.substr(2);
    } else {
      EXPECT_EQ(result, op_case.expected) << label;
    }
  }
}

TEST(InferOpsTest, ShapesAndTypes) {
  check({
      {"Identity", {"float[2, n]"}, {}, "float[2, n]"},
      {"Identity", {"={1, 2}"}, {}, "int64[2]={1, 2}"},
      {"Dropout", {"float[2]"}, {}, "float[2]; bool[2]"},
      {"Cast", {"float[2, n]"}, {{"to", i(10)}}, "float16[2, n]"},
      {"Cast", {"={3, 4}"}, {{"to", i(6)}}, "int32[2]={3, 4}"},
      {"Cast", {"={4294967297}"}, {{"to", i(6)}}, "int32[1]={1}"},
      {"Cast", {"={0, 7}"}, {{"to", i(9)}}, "bool[2]={0, 1}"},
      {"Cast", {"float[2]"}, {}, "! attribute to is missing"},
      {"Cast", {"float[2]"}, {{"to", i(8)}}, "! cannot cast to type 8"},
      {"Cast", {"float[2]"}, {{"to", s("x")}}, "! attribute to must be an integer"},
      {"CastLike", {"float[2]", "int32[5]"}, {}, "int32[2]"},
      {"Reshape", {"float[2, 6]", "={3, 4}"}, {}, "float[3, 4]"},
      {"Reshape", {"float[2, 6]", "={-1, 4}"}, {}, "float[3, 4]"},
      {"Reshape", {"float[2, 6]", "={0, 3, -1}"}, {}, "float[2, 3, 2]"},
      {"Reshape", {"float[1, n, 8]", "={-1, 8}"}, {}, "float[n, 8]"},
      {"Reshape", {"float[1, n+2, 8]", "={0, -1, 2, 4}"}, {}, "float[1, n+2, 2, 4]"},
      {"Reshape", {"float[b, n, 8]", "={-1, 8}"}, {}, "float[b*n, 8]"},
      {"Reshape", {"float[b, n, 8]", "={0, 0, -1}"}, {}, "float[b, n, 8]"},
      {"Reshape", {"float[b, n, 8]", "={-1, 2}"}, {}, "float[4*b*n, 2]"},
      {"Reshape", {"float[0, 3]", "={0, 5}"}, {{"allowzero", i(1)}}, "float[0, 5]"},
      {"Reshape", {"float[2, 6]", "={5, -1}"}, {}, "! cannot reshape [2, 6]"},
      {"Reshape", {"float[2, 6]", "={5, 2}"}, {}, "! cannot reshape [2, 6] to [5, 2]"},
      {"Reshape", {"float[2, 6]", "={-1, -1}"}, {}, "! only one dimension"},
      {"Reshape", {"float[2, 6]", "={-2, 6}"}, {}, "! a dimension of the target shape is -2"},
      {"Reshape", {"float[2]", "={1, 0}"}, {}, "! has no such dimension"},
      {"Reshape", {"float[2, 0]", "={0, 0, -1}"}, {}, "! cannot reshape [2, 0] with the target [0, 0, -1]"},
      {"Reshape", {"float[2, 6]", "int64[2]"}, {}, "! must be known at compile time"},
      {"Reshape", {"float[2, 6]", "=12"}, {}, "! must have rank 1"},
      {"Reshape", {"float[2, 6]"}, {}, "! input 1 is missing"},
      {"Flatten", {"float[2, n, 4]"}, {}, "float[2, 4*n]"},
      {"Flatten", {"float[2, 3, 4]"}, {{"axis", i(-1)}}, "float[6, 4]"},
      {"Flatten", {"float[2, 3]"}, {{"axis", i(3)}}, "! axis must be -2 to 2"},
      {"Squeeze", {"float[1, n, 1]"}, {}, "float[n]"},
      {"Squeeze", {"float[1, n, 1]", "={-1}"}, {}, "float[1, n]"},
      {"Squeeze", {"float[1, 3]"}, {{"axes", Ints{0}}}, "float[3]", 11},
      {"Squeeze", {"float[1, 3]", "={1}"}, {}, "! axis 1 of [1, 3] is not 1"},
      {"Unsqueeze", {"float[n]", "={0, -1}"}, {}, "float[1, n, 1]"},
      {"Unsqueeze", {"=5", "={0}"}, {}, "int64[1]={5}"},
      {"Unsqueeze", {"float[2]"}, {{"axes", Ints{1}}}, "float[2, 1]", 11},
      {"Unsqueeze", {"float[2]"}, {}, "! axes are missing"},
      {"Unsqueeze", {"float[2]", "={0, 0}"}, {}, "! given twice"},
      {"Unsqueeze", {"float[2]", "={9}"}, {}, "! axis 9 is out of range"},
      {"Unsqueeze", {"float[1,1,1,1,1,1,1,1]", "={0,1,2,3,4,5,6,7,8}"}, {}, "! would have rank 17"},
      {"Transpose", {"float[2, n, 4]"}, {}, "float[4, n, 2]"},
      {"Transpose", {"float[2, n, 4]"}, {{"perm", Ints{0, 2, 1}}}, "float[2, 4, n]"},
      {"Transpose", {"float[2, 3]"}, {{"perm", Ints{0, 0}}}, "! names axis 0 twice"},
      {"Transpose", {"float[2, 3]"}, {{"perm", Ints{0}}}, "! perm has 1 axes for rank 2"},
      {"Shape", {"float[1, n+2, 8]"}, {}, "int64[3]={1, n+2, 8}"},
      {"Shape", {"float[1, n+2, 8]"}, {{"start", i(1)}, {"end", i(-1)}}, "int64[1]={n+2}"},
      {"Shape", {"float[1, 2]"}, {{"start", i(5)}}, "int64[0]={}"},
      {"Size", {"float[2, 3]"}, {}, "int64[]={6}"},
      {"Size", {"float[1, n]"}, {}, "int64[]={n}"},
      {"Size", {"float[2, n]"}, {}, "int64[]"},
      {"Range", {"=2", "=9", "=3"}, {}, "int64[3]={2, 5, 8}"},
      {"Range", {"=5", "=0", "=-2"}, {}, "int64[3]={5, 3, 1}"},
      {"Range", {"=5", "=5", "=1"}, {}, "int64[0]={}"},
      {"Range", {"=0", "=9223372036854775807", "=1"}, {}, "! it would have 9223372036854775807 elements"},
      {"Range", {"=-9223372036854775808", "=9223372036854775807", "=1"}, {}, "! it would have 18446744073709551615"},
      {"Range", {"=0", "=5", "=0"}, {}, "! delta must not be 0"},
      {"Range", {"int64[]", "=5", "=1"}, {}, "! not known at compile time"},
      {"ConstantOfShape", {"={2, 3}"}, {}, "float[2, 3]"},
      {"ConstantOfShape", {"={2}"}, {{"value", *make_constant(DType::kInt64, {1}, {7})}}, "int64[2]={7, 7}"},
      {"ConstantOfShape", {"={-2}"}, {}, "! would have the shape [-2]"},
      {"ConstantOfShape", {"={1099511627776, 2}"}, {}, "! more than 2^40 elements"},
      {"ConstantOfShape",
       {"={2}"},
       {{"value", *make_constant(DType::kInt64, {2}, {7, 7})}},
       "! a tensor of one element"},
      {"Expand", {"float[n, 1]", "={2, 1, 3}"}, {}, "float[2, n, 3]"},
      {"Expand", {"=4", "={2}"}, {}, "int64[2]={4, 4}"},
      {"Expand", {"float[2]", "={3}"}, {}, "! cannot expand [2] to [3]"},
      {"Constant", {}, {{"value_ints", Ints{1, 2}}}, "int64[2]={1, 2}"},
      {"Constant", {}, {{"value_int", i(3)}}, "int64[]={3}"},
      {"Constant", {}, {{"value_float", 3.0f}}, "float[]"},
      {"Constant", {}, {{"value", *make_constant(DType::kInt32, {1, 2}, {7, 8})}}, "int32[1, 2]"},
      {"Constant", {}, {}, "! it holds no tensor or number"},
      {"NonZero", {"float[2]"}, {}, "! the operator is not supported"},
      {"com.microsoft.Relu", {"float[2]"}, {}, "! the operator is not supported"},
  });
}

TEST(InferOpsTest, PartsOfTensors) {
  check({
      {"Slice", {"float[10, n]", "={2}", "={5}"}, {}, "float[3, n]"},
      {"Slice", {"float[10, n]", "={-3}", "={9223372036854775807}", "={0}"}, {}, "float[3, n]"},
      {"Slice", {"float[10, n+1]", "={-1}", "={9223372036854775807}", "={1}"}, {}, "float[10, 1]"},
      {"Slice", {"float[10, n+1]", "={1}", "={9223372036854775807}", "={-1}"}, {}, "float[10, n]"},
      {"Slice", {"float[10, n+4]", "={0}", "={-2}", "={1}"}, {}, "float[10, n+2]"},
      {"Slice", {"float[10, n+4]", "={0}", "={3}", "={1}"}, {}, "float[10, 3]"},
      {"Slice", {"float[10]", "={8}", "={20}"}, {}, "float[2]"},
      {"Slice", {"float[10]", "={8}", "={3}"}, {}, "float[0]"},
      {"Slice", {"float[10]", "={0}", "={10}", "={0}", "={3}"}, {}, "float[4]"},
      {"Slice", {"={1, 2, 3, 4}", "={3}", "={-9223372036854775808}", "={0}", "={-2}"}, {}, "int64[2]={4, 2}"},
      {"Slice",
       {"={1, 2, 3, 4}", "={-1}", "={-9223372036854775808}", "={0}", "={-9223372036854775808}"},
       {},
       "int64[1]={4}"},
      {"Slice", {"={1, 2, 3, 4}", "={1}", "={3}"}, {}, "int64[2]={2, 3}"},
      {"Slice", {"float[10, 4]"}, {{"starts", Ints{1}}, {"ends", Ints{3}}, {"axes", Ints{1}}}, "float[10, 2]", 9},
      {"Slice", {"float[n]", "={0}", "={3}"}, {}, "! is not known at compile time"},
      {"Slice", {"float[n]", "={0}", "={9}", "={0}", "={2}"}, {}, "! needs constant indices"},
      {"Slice", {"float[4]", "={0}", "={9}", "={0}", "={0}"}, {}, "! a step must not be 0"},
      {"Slice", {"float[4]", "={0, 1}", "={9}"}, {}, "! must be equally many"},
      {"Slice", {"float[4]", "={0}", "={9}", "={1}"}, {}, "! axis 1 is out of range for rank 1"},
      {"Slice", {"float[4]", "int64[1]", "={9}"}, {}, "! starts must be known at compile time"},
      {"Split", {"float[n, 10]", "={4, 6}"}, {{"axis", i(-1)}}, "float[n, 4]; float[n, 6]"},
      {"Split", {"float[6]"}, {{"num_outputs", i(2)}}, "float[3]; float[3]"},
      {"Split", {"float[7]"}, {{"num_outputs", i(2)}}, "float[4]; float[3]"},
      {"Split", {"float[6]"}, {{"split", Ints{1, 5}}}, "float[1]; float[5]", 11},
      {"Split", {"float[6]"}, {}, "float[3]; float[3]", 11},
      {"Split", {"={1, 2, 3}", "={1, 2}"}, {}, "int64[1]={1}; int64[2]={2, 3}"},
      {"Split", {"float[6]", "={5, 2}"}, {}, "! 2 sizes are given for 1 outputs"},
      {"Split", {"float[6]", "={5}"}, {}, "! add up to 5"},
      {"Split", {"float[6]", "={-1}"}, {}, "! a size is -1"},
      {"Concat", {"float[2, n]", "float[3, n]"}, {{"axis", i(0)}}, "float[5, n]"},
      {"Concat", {"float[2, n]", "float[2, 3]"}, {{"axis", i(1)}}, "float[2, n+3]"},
      {"Concat", {"float[2, n]", "float[2, m]"}, {{"axis", i(1)}}, "float[2, m+n]"},
      {"Concat", {"={1}", "={2, 3}"}, {{"axis", i(0)}}, "int64[3]={1, 2, 3}"},
      {"Concat", {"float[2]", "float[2, 3]"}, {{"axis", i(0)}}, "! cannot join [2] and [2, 3]"},
      {"Concat", {"float[2, 2]", "float[2, 3]"}, {{"axis", i(0)}}, "! along axis 0"},
      {"Concat", {"float[2]", "int64[2]"}, {{"axis", i(0)}}, "! inputs must have one type, got float and int64"},
      {"Concat", {"float[2]"}, {}, "! attribute axis is missing"},
      {"Concat", {"float[2]", "_"}, {{"axis", i(0)}}, "! input 1 is missing"},
      {"Gather", {"float16[512, 64]", "int64[1, n]"}, {}, "float16[1, n, 64]"},
      {"Gather", {"float[4, 5]", "=1"}, {{"axis", i(1)}}, "float[4]"},
      {"Gather", {"={5, 6, 7}", "=-1"}, {}, "int64[]={7}"},
      {"Gather", {"={5, 6, 7}", "={2, 0}"}, {}, "int64[2]={7, 5}"},
      {"Gather", {"={5, 6, 7}", "=3"}, {}, "! index 3 is out of range for an axis of 3"},
      {"Gather", {"float[4]", "float[2]"}, {}, "! indices must be int64 or int32, got float"},
      {"GatherElements", {"float[5, 8]", "int64[5, 4]"}, {{"axis", i(1)}}, "float[5, 4]"},
      {"GatherElements", {"float[5, 8]", "int64[5]"}, {}, "! indices must have rank 2"},
      {"GatherND", {"float[2, 3, 4]", "int64[5, 2]"}, {}, "float[5, 4]"},
      {"GatherND", {"float[2, 3, 4]", "int64[2, 1]"}, {{"batch_dims", i(1)}}, "float[2, 4]"},
      {"GatherND", {"float[2, 3]", "int64[5, 3]"}, {}, "! must be 1 to 2, got 3"},
      {"ScatterElements", {"float[5, 8]", "int64[5, 4]", "float[5, 4]"}, {{"axis", i(1)}}, "float[5, 8]"},
      {"ScatterElements", {"float[5, 8]", "int64[5, 4]", "float[5, 3]"}, {}, "! updates must be [5, 4], got [5, 3]"},
      {"ScatterND", {"float[4, 5]", "int64[3, 1]", "float[3, 5]"}, {}, "float[4, 5]"},
      {"ScatterND", {"float[4, 5]", "int64[3, 1]", "float[3, 4]"}, {}, "! updates must be [3, 5]"},
      {"TensorScatter", {"float[1, 2, 8, 4]", "float[1, 2, 3, 4]", "int64[1]"}, {}, "float[1, 2, 8, 4]", 24},
  });
}

TEST(InferOpsTest, MovingAndOrdering) {
  check({
      {"Tile", {"float[2, n]", "={3, 1}"}, {}, "float[6, n]"},
      {"Tile", {"float[2]", "={-1}"}, {}, "! a repeat is -1"},
      {"Tile", {"float[2]", "={1, 1}"}, {}, "! 2 repeats are given for [2]"},
      {"Pad", {"float[2, n]", "={0, 1, 1, 2}"}, {}, "float[3, n+3]"},
      {"Pad", {"float[2, 5]", "={1, 2}", "_", "={-1}"}, {}, "float[2, 8]"},
      {"Pad", {"float[2]"}, {{"pads", Ints{1, 1}}}, "float[4]", 10},
      {"Pad", {"float[2]", "={-2, -2}"}, {}, "! would have the shape [-2]"},
      {"Pad", {"float[2]", "={1}"}, {}, "! 1 pads are given for 1 axes"},
      {"Trilu", {"float[n, n]"}, {}, "float[n, n]"},
      {"Trilu", {"float[4]"}, {}, "! must be matrices"},
      {"CumSum", {"int64[1, n]", "=1"}, {}, "int64[1, n]"},
      {"CumSum", {"int64[1, n]", "=2"}, {}, "! axis 2 is out of range"},
      {"TopK", {"float[n, 8]", "={4}"}, {}, "float[n, 4]; int64[n, 4]"},
      {"TopK", {"float[8]"}, {{"k", i(3)}}, "float[3]; int64[3]", 9},
      {"TopK", {"float[n, 8]", "={9}"}, {}, "! k must be 0 to 8, got 9"},
      {"TopK", {"float[n, 8]", "int64[1]"}, {}, "! k must be known at compile time"},
  });
}

TEST(InferOpsTest, Elementwise) {
  check({
      {"Exp", {"float16[n]"}, {}, "float16[n]"},
      {"Sigmoid", {"int64[n]"}, {}, "! the input must be floats, got int64"},
      {"IsNaN", {"float[n]"}, {}, "bool[n]"},
      {"Not", {"float[n]"}, {}, "! the input must be bool"},
      {"Neg", {"={3, -4}"}, {}, "int64[2]={-3, 4}"},
      {"Abs", {"={-9223372036854775808}"}, {}, "int64[1]={-9223372036854775808}"},
      {"com.microsoft.QuickGelu", {"float[n]"}, {}, "float[n]"},
      {"com.microsoft.FastGelu", {"float[n, 4]", "float[4]"}, {}, "float[n, 4]"},
      {"com.microsoft.BiasGelu", {"float[n, 4]", "float[5]"}, {}, "! bias must be [4], got [5]"},
      {"com.microsoft.BiasGelu", {"float[n, 4]"}, {}, "! input 1 is missing"},
      {"Add", {"float[n, 1, 4]", "float[3, 1]"}, {}, "float[n, 3, 4]"},
      {"Add", {"float[n, 4]", "float[5, 4]"}, {}, "float[5, 4]"},
      {"Add", {"float[n+6, 4]", "float[5, 4]"}, {}, "! [n+6, 4] and [5, 4] do not broadcast"},
      {"Add", {"float[2]", "float[3]"}, {}, "! [2] and [3] do not broadcast"},
      {"Add", {"float[2]", "float16[2]"}, {}, "! inputs must have one type"},
      {"Add", {"={1, 2}", "=5"}, {}, "int64[2]={6, 7}"},
      {"Add", {"=9223372036854775807", "=1"}, {}, "int64[]={-9223372036854775808}"},
      {"Sub", {"={1, 2}", "=5"}, {}, "int64[2]={-4, -3}"},
      {"Mul", {"={1, 2}", "={3, 4}"}, {}, "int64[2]={3, 8}"},
      {"Div", {"={7, -7}", "=2"}, {}, "int64[2]={3, -3}"},
      {"Div", {"={7}", "=0"}, {}, "int64[1]"},
      {"Div", {"=-9223372036854775808", "=-1"}, {}, "int64[]={-9223372036854775808}"},
      {"Mod", {"={7, -7}", "=3"}, {}, "int64[2]={1, 2}"},
      {"Mod", {"=-9223372036854775808", "=-1"}, {}, "int64[]={0}"},
      {"Min", {"={7, 2}", "=3"}, {}, "int64[2]={3, 2}"},
      {"Max", {"={7, 2}", "=3"}, {}, "int64[2]={7, 3}"},
      {"Max", {"float[n]", "float[1]", "float[2, 1]"}, {}, "float[2, n]"},
      {"Pow", {"float[n]", "int64[]"}, {}, "float[n]"},
      {"Equal", {"={1, -1}", "=-1"}, {}, "bool[2]={0, 1}"},
      {"Less", {"={1, 3}", "=3"}, {}, "bool[2]={1, 0}"},
      {"GreaterOrEqual", {"={1, 3}", "=3"}, {}, "bool[2]={0, 1}"},
      {"And", {"bool[n]", "bool[1]"}, {}, "bool[n]"},
      {"And", {"bool[n]", "float[1]"}, {}, "! the second input must be bool"},
      {"Where", {"bool[n, 1]", "float[3]", "float[]"}, {}, "float[n, 3]"},
      {"Where", {"float[n]", "float[3]", "float[]"}, {}, "! the condition must be bool"},
      {"PRelu", {"float[n, 4]", "float[4]"}, {}, "float[n, 4]"},
      {"PRelu", {"float[4]", "float[2, 4]"}, {}, "! slope [2, 4] does not broadcast"},
      {"Clip", {"float[n]", "float[]", "_"}, {}, "float[n]"},
      {"Clip", {"float[n]", "float[3]"}, {}, "! limits must be scalars"},
  });
}

TEST(InferOpsTest, ReductionsAndProducts) {
  check({
      {"ReduceSum", {"float[2, n, 4]", "={-1}"}, {}, "float[2, n, 1]"},
      {"ReduceSum", {"float[2, n, 4]", "={-1}"}, {{"keepdims", i(0)}}, "float[2, n]"},
      {"ReduceSum", {"float[2, n]"}, {}, "float[1, 1]"},
      {"ReduceSum", {"float[2, n]"}, {{"noop_with_empty_axes", i(1)}}, "float[2, n]"},
      {"ReduceMean", {"float[2, n]"}, {{"axes", Ints{1}}}, "float[2, 1]", 13},
      {"ReduceSum", {"={2, 3, 4}"}, {{"keepdims", i(0)}}, "int64[]={9}"},
      {"ReduceProd", {"={2, 3, 4}"}, {}, "int64[1]={24}"},
      {"ReduceMax", {"float[2]", "={1}"}, {}, "! axis 1 is out of range"},
      {"ArgMax", {"float[2, n]"}, {{"axis", i(-1)}, {"keepdims", i(0)}}, "int64[2]"},
      {"Softmax", {"float16[2, n]"}, {}, "float16[2, n]"},
      {"Softmax", {"float16[2, n]"}, {{"axis", i(2)}}, "! axis 2 is out of range"},
      {"MatMul", {"float[2, n, 4]", "float[4, 5]"}, {}, "float[2, n, 5]"},
      {"MatMul", {"float[1, 3, n, 4]", "float[2, 1, 4, 5]"}, {}, "float[2, 3, n, 5]"},
      {"MatMul", {"float[4]", "float[4, 5]"}, {}, "float[5]"},
      {"MatMul", {"float[3, 4]", "float[4]"}, {}, "float[3]"},
      {"MatMul", {"float[4]", "float[4]"}, {}, "float[]"},
      {"MatMul", {"float[3, 4]", "float[5, 4]"}, {}, "! cannot multiply [3, 4] by [5, 4]"},
      {"MatMul", {"float[3, 4]", "float16[4, 4]"}, {}, "! A and B must have one type"},
      {"MatMul", {"float[]", "float[4]"}, {}, "! must not be scalars"},
      {"Gemm", {"float[n, 4]", "float[5, 4]", "float[5]"}, {{"transB", i(1)}}, "float[n, 5]"},
      {"Gemm", {"float[4, 3]", "float[4, 5]"}, {{"transA", i(1)}}, "float[3, 5]"},
      {"Gemm", {"float[3, 4]", "float[5, 4]"}, {}, "! cannot multiply"},
      {"Gemm", {"float[3, 4]", "float[4, 5]", "float[6]"}, {}, "! C [6] does not broadcast"},
      {"Conv", {"float[1, 64, n+2]", "float[64, 1, 3]"}, {{"group", i(64)}}, "float[1, 64, n]"},
      {"Conv",
       {"float[1, 4, 10]", "float[8, 4, 3]", "float[8]"},
       {{"strides", Ints{2}}, {"pads", Ints{1, 1}}},
       "float[1, 8, 5]"},
      {"Conv",
       {"float[1, 4, 10]", "float[8, 4, 3]"},
       {{"auto_pad", s("SAME_UPPER")}, {"strides", Ints{3}}},
       "float[1, 8, 4]"},
      {"Conv", {"float[1, 4, 9, 9]", "float[8, 4, 3, 3]"}, {{"dilations", Ints{2, 1}}}, "float[1, 8, 5, 7]"},
      {"Conv", {"float[1, 4, 2]", "float[8, 4, 3]"}, {}, "! larger than the padded input"},
      {"Conv", {"float[1, 4, 10]", "float[8, 3, 3]"}, {}, "! X has 4 channels, W 3 times group 1"},
      {"Conv", {"float[1, 4, 10]", "float[8, 4, 3]"}, {{"strides", Ints{0}}}, "! strides must be 1 to"},
      {"Conv", {"float[1, 4, 10]", "float[8, 4, 3]"}, {{"pads", Ints{1}}}, "! pads must have 2 numbers"},
  });
}

TEST(InferOpsTest, Norms) {
  check({
      {"LayerNormalization", {"float[2, n, 8]", "float[8]", "float[8]"}, {}, "float[2, n, 8]; float[2, n, 1]"},
      {"LayerNormalization", {"float[2, n, 8]", "float[7]"}, {}, "! scale must be [8], got [7]"},
      {"SimplifiedLayerNormalization", {"float16[1, n, 8]", "float16[8]"}, {}, "float16[1, n, 8]; float[1, n, 1]"},
      {"RMSNormalization", {"float16[1, n, 8]", "float[8]"}, {}, "float[1, n, 8]", 23},
      {"com.microsoft.SkipSimplifiedLayerNormalization",
       {"float16[1, n, 8]", "float16[1, n, 8]", "float16[8]"},
       {},
       "float16[1, n, 8]; float[1, n, 1]; float[1, n, 1]; float16[1, n, 8]"},
      {"com.microsoft.SkipSimplifiedLayerNormalization",
       {"float[1, 2, 8]", "float[1, 2, 4]", "float[8]"},
       {},
       "! skip must be"},
      {"com.microsoft.SkipLayerNormalization",
       {"float[1, 2, 8]", "float[1, 2, 8]", "float[8]", "float[8]", "float[4]"},
       {},
       "! bias must be [8], got [4]"},
  });
}

}  // namespace
}  // namespace sluice::graph
