// Operators of com.microsoft and their ai.onnx cousins: each starts from a node that fits and changes one thing.
#include <gtest/gtest.h>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

struct Change {
  std::string expected;  // part of the obstacle, or the outputs
  std::map<size_t, std::string> inputs;
  Attributes attributes;
};

void check(const OpCase& base, const std::vector<Change>& changes) {
  EXPECT_EQ(infer_op(base), base.expected) << base.op << " as it should be";
  for (const Change& change : changes) {
    OpCase changed = base;
    std::string label = base.op;
    for (const auto& [index, text] : change.inputs) {
      if (changed.inputs.size() <= index) changed.inputs.resize(index + 1, "_");
      changed.inputs[index] = text;
      label += " input " + std::to_string(index) + " " + text;
    }
    for (const auto& [name, value, is_read] : change.attributes) {
      changed.attributes[name] = value;
      label += " attribute " + name;
    }
    const std::string result = infer_op(changed);
    EXPECT_NE(result.find(change.expected), std::string::npos)
        << label << "\nsays:       " << result << "\nshould say: " << change.expected;
  }
}

Attribute i(int64_t value) { return value; }
Attribute s(const char* value) { return std::string(value); }

TEST(InferContribTest, MatMulNBits) {
  check({"com.microsoft.MatMulNBits",
         {"float16[1, n, 64]", "uint8[512, 2, 16]", "float16[512, 2]"},
         {{"K", i(64)}, {"N", i(512)}, {"bits", i(4)}, {"block_size", i(32)}},
         "float16[1, n, 512]"},
        {
            {"B must be (N, ceil(K/block_size), block_size*bits/8) = [512, 2, 16], got [512, 2, 8]",
             {{1, "uint8[512, 2, 8]"}},
             {}},
            {"[infer] MatMulNBits \"node0\": B must be uint8, got int8", {{1, "int8[512, 2, 16]"}}, {}},
            {"the last dimension of A must be K = 64, got [1, n, 60]", {{0, "float16[1, n, 60]"}}, {}},
            {"A must be floats", {{0, "int64[1, n, 64]"}}, {}},
            {"A must not be a scalar", {{0, "float[]"}}, {}},
            {"float16[1, n, 512]", {{2, "float16[1024]"}}, {}},
            {"float16[1, n, 512]", {{2, "float[512, 2]"}}, {}},
            {"scales must be (N, ceil(K/block_size)) = [512, 2], got [512, 4]", {{2, "float16[512, 4]"}}, {}},
            {"float16[1, n, 512]", {{3, "uint8[512, 1]"}}, {}},
            {"float16[1, n, 512]", {{3, "float16[512, 2]"}}, {}},
            {"zero_points must be (N, ceil(blocks*bits/8)) = [512, 1], got [512, 2]", {{3, "uint8[512, 2]"}}, {}},
            {"zero_points must be floats", {{3, "int8[512, 2]"}}, {}},
            {"input g_idx is not supported", {{4, "int32[64]"}}, {}},
            {"float16[1, n, 512]", {{5, "float16[512]"}}, {}},
            {"bias must be (N) = [512], got [64]", {{5, "float16[64]"}}, {}},
            {"bits must be 2, 4 or 8, got 3", {}, {{"bits", i(3)}}},
            {"block_size must be a power of two, 16 or more, got 24", {}, {{"block_size", i(24)}}},
            {"N must be 1 to 2147483647, got 9223372036854775807", {}, {{"N", i(0x7fffffffffffffff)}}},
            {"weight_prepacked must be 0, got 1", {}, {{"weight_prepacked", i(1)}}},
            {"= [512, 2, 32], got [512, 2, 16]", {}, {{"bits", i(8)}}},
        });
}

const Attributes kQMoE = {{"k", i(4)},
                          {"activation_type", s("swiglu")},
                          {"swiglu_fusion", i(1)},
                          {"block_size", i(32)},
                          {"expert_weight_bits", i(4)}};

TEST(InferContribTest, QMoE) {
  check({"com.microsoft.QMoE",
         {"float16[1, 5, 64]", "float16[5, 8]", "uint8[8, 128, 32]", "float16[8, 128, 2]", "float16[8, 128]",
          "uint8[8, 64, 32]", "float16[8, 64, 2]", "float16[8, 64]"},
         kQMoE,
         "float16[1, 5, 64]"},
        {
            {"fc1_experts_weights must be (experts, rows, depth*bits/8) = [8, 128, 32], got [8, 64, 32]",
             {{2, "uint8[8, 64, 32]"}},
             {}},
            {"fc1_experts_weights must be uint8", {{2, "int8[8, 128, 32]"}}, {}},
            {"fc1_scales is missing", {{3, "_"}}, {}},
            {"fc1_scales must be (experts, rows, depth/block_size) = [8, 128, 2], got [8, 128]",
             {{3, "float16[8, 128]"}},
             {}},
            {"fc2_experts_bias must be (experts, rows) = [8, 64]", {{7, "float16[8, 63]"}}, {}},
            {"input fc2_experts_weights is missing", {{5, "_"}}, {}},
            {"fc2_experts_weights must have rank 3", {{5, "uint8[8, 64]"}}, {}},
            {"router_probs must be (tokens, experts) = [5, 8], got [4, 8]", {{1, "float16[4, 8]"}}, {}},
            {"input must be (tokens, hidden)", {{0, "float16[64]"}}, {}},
            {"float16[1, 5, 64]", {{11, "uint8[8, 128, 1]"}}, {}},
            {"fc1_zero_points must be (experts, rows, blocks*bits/8) = [8, 128, 1], got [8, 128, 2]",
             {{11, "uint8[8, 128, 2]"}},
             {}},
            {"fc3_experts_weights is missing", {{9, "float16[8, 64, 2]"}}, {}},
            {"float16[1, 5, 64]", {{14, "float16[5, 8]"}}, {}},
            {"router_weights must be (tokens, experts) = [5, 8]", {{14, "float16[5, 4]"}}, {}},
            {"input 15 (fc1_global_scale) belongs to a floating-point quantization", {{15, "float[8]"}}, {}},
            {"input 20 (fc2_act_block_scale) belongs to a floating-point quantization", {{20, "uint8[8]"}}, {}},
            {"num_shared_experts must be 0 to 0, got 2", {}, {{"num_shared_experts", i(2)}}},
            {"use_sparse_mixer must be 0 to 1, got 2", {}, {{"use_sparse_mixer", i(2)}}},
            {"normalize_routing_weights must be 0 to 1, got -1", {}, {{"normalize_routing_weights", i(-1)}}},
            {"weights_prepacked must be -1 or 0, got -2", {}, {{"weights_prepacked", i(-2)}}},
            {"k must be 1 to 8, got 9", {}, {{"k", i(9)}}},
            {"expert_weight_bits must be 2, 4 or 8, got 5", {}, {{"expert_weight_bits", i(5)}}},
            {"block_size must be a power of two", {}, {{"block_size", i(40)}}},
            {"block_size 128 does not divide 64", {}, {{"block_size", i(128)}}},
            {"quant_type must be \"int\", got \"fp4\"", {}, {{"quant_type", s("fp4")}}},
            {"weights_prepacked must be -1 or 0, got 1", {}, {{"weights_prepacked", i(1)}}},
            {"swiglu_fusion must be 0 to 2, got 3", {}, {{"swiglu_fusion", i(3)}}},
            {"[8, 64, 32], got [8, 128, 32]", {}, {{"swiglu_fusion", i(0)}}},
        });
}

TEST(InferContribTest, QMoEWithSymbolicTokensAndSeparateGate) {
  check({"com.microsoft.QMoE",
         {"float[b, n, 64]", "float[b*n, 8]", "uint8[8, 64, 64]", "float[8, 64]", "_", "uint8[8, 64, 64]",
          "float[8, 64]", "_", "uint8[8, 64, 64]", "float[8, 64]"},
         {{"expert_weight_bits", i(8)}, {"activation_type", s("silu")}},
         "float[b, n, 64]"},
        {{"fc3_scales must be (experts, rows) = [8, 64], got [8, 32]", {{9, "float[8, 32]"}}, {}}});
}

TEST(InferContribTest, MoE) {
  check({"com.microsoft.MoE",
         {"float[5, 64]", "float[5, 8]", "float[8, 96, 64]", "_", "float[8, 64, 96]", "float[8, 64]"},
         {{"k", i(2)}},
         "float[5, 64]"},
        {
            {"fc1_experts_weights must be (experts, rows, hidden) = [8, 96, 64]", {{2, "float[8, 64, 96]"}}, {}},
            {"fc2_experts_bias must be (experts, hidden) = [8, 64]", {{5, "float[8, 96]"}}, {}},
            {"input fc2_experts_weights is missing", {{4, "_"}}, {}},
            {"fc1_experts_weights must be floats, got uint8", {{2, "uint8[8, 96, 64]"}}, {}},
            {"fc3_experts_weights is missing", {{7, "float[8, 96]"}}, {}},
            {"an export of MoE's first schema", {{3, "float[8, 96, 64]"}, {4, "_"}, {5, "_"}}, {}},
            {"num_shared_experts must be 0 to 0, got 1", {}, {{"num_shared_experts", i(1)}}},
        });
}

TEST(InferContribTest, GatherBlockQuantized) {
  check({"com.microsoft.GatherBlockQuantized",
         {"uint8[512, 32]", "int64[1, n]", "float16[512, 2]"},
         {{"bits", i(4)}, {"block_size", i(32)}, {"quantize_axis", i(1)}},
         "float16[1, n, 64]"},
        {
            {"scales must be data's shape with blocks for the quantized axis = [512, 2], got [512, 1]",
             {{2, "float16[512, 1]"}},
             {}},
            {"float16[1, n, 64]", {{3, "uint8[512, 1]"}}, {}},
            {"zero_points must be scales' shape, packed as data = [512, 1]", {{3, "uint8[512, 2]"}}, {}},
            {"float16[1, n, 64]", {{0, "uint4[512, 64]"}}, {}},
            {"data must be uint8 or int4 or uint4, got float", {{0, "float[512, 32]"}}, {}},
            {"gather_axis must be 0 for uint8 data, got 1", {}, {{"gather_axis", i(1)}}},
            {"quantize_axis must be the last for uint8 data, got 0", {}, {{"quantize_axis", i(0)}}},
            {"axis 7 is out of range", {}, {{"gather_axis", i(7)}}},
            {"data must have 2 dimensions or more, got [512]", {{0, "uint8[512]"}}, {}},
        });
  check({"com.microsoft.GatherBlockQuantized",
         {"int4[3, 40, 7]", "int64[2, 5]", "float[3, 3, 7]", "int4[3, 3, 7]"},
         {{"block_size", i(16)}, {"gather_axis", i(-1)}, {"quantize_axis", i(1)}},
         "float[3, 40, 2, 5]"},
        {
            {"float[3, 2, 5, 7]", {}, {{"gather_axis", i(1)}}},
            {"= [1, 40, 7], got [3, 3, 7]", {}, {{"quantize_axis", i(0)}}},
            {"zero_points must be scales' shape, packed as data = [3, 3, 7]", {{3, "int4[3, 2, 7]"}}, {}},
            {"data and zero_points must have one type, got int4 and uint4", {{3, "uint4[3, 3, 7]"}}, {}},
            {"bits must be 4 for 4-bit data, got 8", {}, {{"bits", i(8)}}},
            {"block_size must be a power of two, 16 or more, got 8", {}, {{"block_size", i(8)}}},
        });
}

TEST(InferContribTest, GroupQueryAttention) {
  check({"com.microsoft.GroupQueryAttention",
         {"float16[1, 5, 128]", "_", "_", "float16[1, 2, past, 16]", "float16[1, 2, past, 16]", "int32[1]", "int32[]",
          "float16[512, 8]", "float16[512, 8]", "_", "_", "float16[4]"},
         {{"num_heads", i(4)}, {"kv_num_heads", i(2)}, {"do_rotary", i(1)}},
         "float16[1, 5, 64]; float16[1, 2, past+5, 16]; float16[1, 2, past+5, 16]"},
        {
            {"[1, 2, past+5, 16]", {{0, "float16[1, 5, 64]"}, {1, "float16[1, 5, 32]"}, {2, "float16[1, 5, 32]"}}, {}},
            {"key must be [1, 5, 32], got [1, 5, 48]",
             {{0, "float16[1, 5, 64]"}, {1, "float16[1, 5, 48]"}, {2, "float16[1, 5, 32]"}},
             {}},
            {"key and value must be given both or neither", {{1, "float16[1, 5, 32]"}}, {}},
            {"the packed query's last dimension must be a multiple of 8, got 100", {{0, "float16[1, 5, 100]"}}, {}},
            {"the head size must be a multiple of 8, got 4", {{0, "float16[1, 5, 32]"}}, {}},
            {"past_key must be [1, 2, past, 16], got [1, 4, past, 16]", {{3, "float16[1, 4, past, 16]"}}, {}},
            {"past_key and past_value must be given both or neither", {{3, "_"}}, {}},
            {"seqlens_k must be int32, got int64", {{5, "int64[1]"}}, {}},
            {"seqlens_k must be [1], got [2]", {{5, "int32[2]"}}, {}},
            {"seqlens_k and total_sequence_length are missing", {{6, "_"}}, {}},
            {"total_sequence_length must have one element, got [2]", {{6, "int32[2]"}}, {}},
            {"do_rotary needs cos_cache and sin_cache", {{7, "_"}, {8, "_"}}, {}},
            {"cos_cache must have 1 to 8 columns", {{7, "float16[512, 9]"}, {8, "float16[512, 9]"}}, {}},
            {"sin_cache must be [512, 8], got [512, 4]", {{8, "float16[512, 4]"}}, {}},
            {"position_ids must be [1, 5]", {{9, "int64[1, 4]"}}, {}},
            {"head_sink must be [4], got [2]", {{11, "float16[2]"}}, {}},
            {"q_norm_weight and k_norm_weight must be given both or neither", {{14, "float16[16]"}}, {}},
            {"k_norm_weight must be [16], got [8]", {{14, "float16[16]"}, {15, "float16[8]"}}, {}},
            {"num_heads 4 is not a multiple of kv_num_heads 3", {}, {{"kv_num_heads", i(3)}}},
            {"num_heads must be 1 to", {}, {{"num_heads", i(0)}}},
        });
}

TEST(InferContribTest, GroupQueryAttentionLengths) {
  const auto present = [](const std::string& past, const std::string& total) {
    const std::string cache = past == "_" ? "_" : "float16[1, 2, " + past + ", 16]";
    GraphBuilder builder;
    std::vector<ValueId> inputs;
    for (const std::string& text :
         {std::string("float16[1, 5, 128]"), std::string("_"), std::string("_"), cache, cache}) {
      inputs.push_back(builder.value(text));
    }
    inputs.push_back(builder.value("int32[1]"));
    const ValueId mask = builder.value("int64[1, " + total + "]");
    const ValueId shape = builder.node("Shape", {mask}, 1, {{"start", i(1)}})[0];
    inputs.push_back(builder.node("Cast", {shape}, 1, {{"to", i(6)}})[0]);
    const auto outputs =
        builder.node("com.microsoft.GroupQueryAttention", inputs, 2, {{"num_heads", i(4)}, {"kv_num_heads", i(2)}});
    for (const std::string& obstacle : infer(builder.graph, {})) return obstacle;
    return builder.text(outputs[1]);
  };
  EXPECT_EQ(present("past", "past+5"), "float16[1, 2, past+5, 16]");
  EXPECT_EQ(present("_", "5"), "float16[1, 2, 5, 16]");
  EXPECT_EQ(present("0", "5"), "float16[1, 2, 5, 16]");
  EXPECT_EQ(present("7", "12"), "float16[1, 2, 12, 16]");
  EXPECT_EQ(present("512", "12"), "float16[1, 2, 512, 16]") << "a cache of fixed capacity keeps it";
  EXPECT_EQ(present("512", "total"), "float16[1, 2, 512, 16]");
  EXPECT_EQ(present("past", "total"), "float16[1, 2, past+5, 16]");
}

TEST(InferContribTest, MultiHeadAttention) {
  check({"com.microsoft.MultiHeadAttention",
         {"float[1, 5, 64]", "float[1, 5, 64]", "float[1, 5, 32]", "_", "_", "_", "float[1, 4, past, 16]",
          "float[1, 4, past, 8]"},
         {{"num_heads", i(4)}},
         "float[1, 5, 32]; float[1, 4, past+5, 16]; float[1, 4, past+5, 8]"},
        {
            {"a query of rank 3 needs a key", {{1, "_"}}, {}},
            {"past_value must be [1, 4, past, 8]", {{7, "float[1, 4, past, 16]"}}, {}},
            {"key must be [1, 5, 64]", {{1, "float[1, 5, 60]"}}, {}},
            {"the query's last dimension must be a multiple of 5", {}, {{"num_heads", i(5)}}},
        });
}

TEST(InferContribTest, MultiHeadAttentionLayouts) {
  const auto infer_one = [](std::vector<std::string> inputs, const std::string& expected) {
    EXPECT_EQ(infer_op({"com.microsoft.MultiHeadAttention", std::move(inputs), {{"num_heads", i(4)}}, expected}),
              expected);
  };
  infer_one({"float[2, 5, 4, 3, 16]"}, "float[2, 5, 64]; float[2, 4, 5, 16]; float[2, 4, 5, 16]; float[2, 4, 5, 5]");
  infer_one({"float[2, 5, 64]", "float[2, 7, 4, 2, 16]"},
            "float[2, 5, 64]; float[2, 4, 7, 16]; float[2, 4, 7, 16]; float[2, 4, 5, 7]");
  infer_one({"float[2, 5, 64]", "float[2, 4, n, 16]", "float[2, 4, n, 8]"},
            "float[2, 5, 32]; float[2, 4, n, 16]; float[2, 4, n, 8]; float[2, 4, 5, n]");
  check({"com.microsoft.MultiHeadAttention",
         {"float[2, 5, 64]", "float[2, 7, 64]", "float[2, 7, 64]", "float[192]", "int32[2, 7]", "float[1, 4, 5, 7]"},
         {{"num_heads", i(4)}},
         "float[2, 5, 64]"},
        {
            {"float[2, 5, 64]", {{4, "int32[2]"}}, {}},
            {"float[2, 5, 64]", {{4, "int32[8]"}}, {}},
            {"float[2, 5, 64]", {{4, "int32[2, 5, 7]"}}, {}},
            {"key_padding_mask must be [B], [3B+2], [B, T] or [B, S, T], got [7]", {{4, "int32[7]"}}, {}},
            {"key_padding_mask must be int32", {{4, "int64[2, 7]"}}, {}},
            {"attention_bias must broadcast to [2, 4, 5, 7], got [1, 4, 1, 7]", {{5, "float[1, 4, 1, 7]"}}, {}},
            {"bias must be [192]", {{3, "float[128]"}}, {}},
            {"must both have rank 3 or 4", {{1, "float[2, 4, 7, 16]"}}, {}},
            {"cache_indirection", {{9, "int32[2, 1, 7]"}}, {}},
        });
}

TEST(InferContribTest, Attention) {
  check(
      {"Attention",
       {"float[2, 5, 64]", "float[2, 5, 32]", "float[2, 5, 32]", "_", "float[2, 2, past, 16]", "float[2, 2, past, 16]"},
       {{"q_num_heads", i(4)}, {"kv_num_heads", i(2)}},
       "float[2, 5, 64]; float[2, 2, past+5, 16]; float[2, 2, past+5, 16]; float[2, 4, 5, past+5]",
       23},
      {
          {"Q, K and V must have one rank", {{1, "float[2, 2, 5, 16]"}}, {}},
          {"differ in head size", {{0, "float[2, 5, 128]"}}, {}},
          {"differ in length", {{2, "float[2, 6, 32]"}}, {}},
          {"4 query heads are not a multiple of 3", {}, {{"kv_num_heads", i(3)}}},
      });
  EXPECT_EQ(infer_op({"Attention",
                      {"float[2, 4, n, 16]", "float[2, 2, m, 16]", "float[2, 2, m, 8]"},
                      {},
                      "float[2, 4, n, 8]",
                      23}),
            "float[2, 4, n, 8]");
}

TEST(InferContribTest, RotaryEmbedding) {
  check({"com.microsoft.RotaryEmbedding",
         {"float[1, n, 64]", "int64[1, n]", "float[512, 8]", "float[512, 8]"},
         {},
         "float[1, n, 64]"},
        {
            {"position_ids must be int64", {{1, "int32[1, n]"}}, {}},
            {"sin_cache must be [512, 8]", {{3, "float[512, 4]"}}, {}},
            {"rotary_embedding_dim needs num_heads", {}, {{"rotary_embedding_dim", i(8)}}},
            {"must have rank 3 or 4", {{0, "float[64]"}}, {}},
        });
  EXPECT_EQ(infer_op({"RotaryEmbedding",
                      {"float[1, 4, n, 16]", "float[1, n, 8]", "float[1, n, 8]"},
                      {},
                      "float[1, 4, n, 16]",
                      23}),
            "float[1, 4, n, 16]");
}

TEST(InferContribTest, AttentionMasks) {
  check({"Attention",
         {"float[2, 4, 5, 16]", "float[2, 2, 7, 16]", "float[2, 2, 7, 8]", "bool[4, 5, 7]", "_", "_", "int64[2]"},
         {{"is_causal", i(1)}},
         "float[2, 4, 5, 8]",
         24},
        {
            {"float[2, 4, 5, 8]", {{3, "float[1, 5, 7]"}}, {}},
            {"float[2, 4, 5, 8]", {{3, "float[7]"}}, {}},
            {"float[2, 4, 5, 8]", {{3, "float[2, 1, 1, 4]"}}, {}},
            {"attn_mask must broadcast to [2, 4, 5, 7], got [5, 8]", {{3, "float[5, 8]"}}, {}},
            {"attn_mask must broadcast to [2, 4, 5, 7], got [5, 1]", {{3, "float[5, 1]"}}, {}},
            {"attn_mask must have rank 1 to 4", {{3, "float[1, 1, 1, 5, 7]"}}, {}},
            {"an attn_mask that is not bool", {{3, "int32[5, 7]"}}, {}},
            {"nonpad_kv_seqlen must be [2]", {{6, "int64[1]"}}, {}},
            {"nonpad_kv_seqlen and past_key exclude one another",
             {{4, "float[2, 2, 3, 16]"}, {5, "float[2, 2, 3, 8]"}, {3, "_"}},
             {}},
        });
}

TEST(InferContribTest, CausalConvWithStateLayouts) {
  check({"com.microsoft.CausalConvWithState",
         {"float[2, n, 3, 5]", "float[15, 1, 4]", "float[15]", "float[2, 6, 3, 5]"},
         {{"dilation", i(2)}, {"channels_last", i(1)}},
         "float[2, n, 3, 5]; float[2, 6, 3, 5]"},
        {
            {"weight must be [15, 1, 4], got [5, 1, 4]", {{1, "float[5, 1, 4]"}}, {}},
            {"past_state must be [2, 6, 3, 5], got [2, 3, 3, 5]", {{3, "float[2, 3, 3, 5]"}}, {}},
            {"dilation must be 1 to", {}, {{"dilation", i(0)}}},
            {"channels_last must be 0 to 1, got 2", {}, {{"channels_last", i(2)}}},
        });
}

TEST(InferContribTest, LinearAttentionGates) {
  check({"com.microsoft.LinearAttentionGate",
         {"float16[1, n, 8]", "float[8]", "float[8]", "float16[1, n, 8]"},
         {},
         "float16[1, n, 8]; float16[1, n, 8]"},
        {
            {"dt_bias must be [8], got [4]", {{1, "float[4]"}}, {}},
            {"must be float, got float16", {{2, "float16[8]"}}, {}},
            {"b must be [1, n, 8]", {{3, "float16[1, n, 4]"}}, {}},
        });
  check({"com.microsoft.GatedRMSNorm", {"float[1, n, 12]", "float[4]", "float[1, n, 12]"}, {}, "float[1, n, 12]"},
        {
            {"not a multiple of scale's length 5", {{1, "float[5]"}}, {}},
            {"gate must be [1, n, 12]", {{2, "float[1, n, 4]"}}, {}},
        });
}

TEST(InferContribTest, CausalConvWithState) {
  check({"com.microsoft.CausalConvWithState",
         {"float16[1, 64, n]", "float16[64, 1, 3]", "_", "float16[1, 64, 2]"},
         {{"ndim", i(1)}, {"activation", s("none")}, {"state_window", i(0)}},
         "float16[1, 64, n]; float16[1, 64, 2]"},
        {
            {"weight must be [64, 1, 3], got [32, 1, 3]", {{1, "float16[32, 1, 3]"}}, {}},
            {"bias must be [64]", {{2, "float16[3]"}}, {}},
            {"past_state must be [1, 64, 2], got [1, 64, 3]", {{3, "float16[1, 64, 3]"}}, {}},
            {"state_window must be 0 to 0, got 4", {}, {{"state_window", i(4)}}},
            {"ndim must be 1 to 1, got 2", {}, {{"ndim", i(2)}}},
        });
}

TEST(InferContribTest, LinearAttention) {
  check({"com.microsoft.LinearAttention",
         {"float[1, n, 32]", "float[1, n, 32]", "float[1, n, 80]", "float[1, 4, 16, 20]", "float[1, n, 4]",
          "float[1, n, 4]"},
         {{"q_num_heads", i(2)}, {"kv_num_heads", i(4)}, {"update_rule", s("gated_delta")}},
         "float[1, n, 80]; float[1, 4, 16, 20]"},
        {
            {"past_state must be [1, 4, 16, 20]", {{3, "float[1, 4, 20, 16]"}}, {}},
            {"key [1, n, 40] does not hold heads of 16", {{1, "float[1, n, 40]"}}, {}},
            {"the value's last dimension 81", {{2, "float[1, n, 81]"}}, {}},
            {"do not divide each other", {}, {{"kv_num_heads", i(3)}}},
            {"update_rule gated needs decay", {{4, "_"}}, {{"update_rule", s("gated")}}},
            {"update_rule delta needs beta", {{5, "_"}}, {{"update_rule", s("delta")}}},
        });
}

}  // namespace
}  // namespace sluice::graph
