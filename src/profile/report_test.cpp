#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "profile/format.h"
#include "profile/json.h"
#include "profile/load.h"
#include "profile/summary.h"
#include "profile/write.h"

namespace sluice::profile {
namespace {

using runtime::Interval;
using runtime::StepInfo;

StepInfo step(const std::string& op, const std::string& node, const std::string& kernel) {
  StepInfo info;
  info.op = op;
  info.node = node;
  info.kernel = kernel;
  info.sources = {op + " " + node};
  return info;
}

// Two tokens of a program of three dispatches, two of them of one node; the first token saw 3 tokens before it.
runtime::Measurement two_tokens() {
  runtime::MeasuredPhase phase;
  phase.name = "decode";
  phase.tokens = 2;
  phase.rounds = 1;
  phase.usual = 100;
  phase.counters.waits = 2;
  phase.counters.idle_waits = 1;
  StepInfo fc1 = step("QMoE", "/model/layers.0/moe", "fc1"), fc2 = step("QMoE", "/model/layers.0/moe", "fc2");
  fc1.tensors = {{"weights", "uint8", {8, 100}, 800, 200, true}, {"scratch", "float16", {4}, 8, 8, false, true}};
  StepInfo attention = step("GroupQueryAttention", "/model/layers.1/attn", "gqa");
  attention.tensors = {{"key", "float16", {1, 1, 10, 4}, 80, 80, true, true, true},
                       {"windowed", "float16", {1, 1, 10, 4}, 80, 16, true, false, true}};
  phase.programs = {{fc1, fc2, attention}};
  for (uint32_t i = 0; i < 2; ++i) {
    runtime::PassTimes pass;
    pass.past = 3 + i;
    pass.begin = 50.0 * i;
    pass.gpu = 12;
    pass.steps = {Interval{0, 2}, Interval{3, 4}, Interval{8, 1.0 + i}};
    phase.each.push_back(pass);
    pass.steps.clear();
    pass.gpu = 8;
    phase.whole.push_back(pass);
  }
  return {.model = "m", .device = "d", .library = "l", .timestamps = true, .read_limit = 1e8, .phases = {phase}};
}

TEST(Report, OperatorsCountNodesAndKernelsCountDispatches) {
  const Phase phase = from_measurement(two_tokens()).phases.at(0);
  const auto operators = table(phase, By::kOperator);
  ASSERT_EQ(operators.size(), 2u);
  EXPECT_EQ(operators[0].name, "QMoE");
  EXPECT_DOUBLE_EQ(operators[0].total, 12);
  EXPECT_EQ(operators[0].count, 2u);
  EXPECT_EQ(operators[1].count, 2u);
  const auto kernels = table(phase, By::kKernel);
  ASSERT_EQ(kernels.size(), 3u);
  EXPECT_EQ(kernels[0].name, "fc2");
  EXPECT_EQ(kernels[0].count, 2u);
  const auto layers = table(phase, By::kLayer);
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "0");
  EXPECT_EQ(layers[0].count, 4u);
}

TEST(Report, BytesAreThoseOfTokensThatACacheHolds) {
  const Phase phase = from_measurement(two_tokens()).phases.at(0);
  const Step& fc1 = phase.steps[0];
  EXPECT_EQ(fc1.runs[0].bytes_read, 200u);
  EXPECT_EQ(fc1.runs[0].bytes_written, 8u);
  const Step& attention = phase.steps[2];
  EXPECT_EQ(attention.runs[0].bytes_read, 4u * 8 + 16);
  EXPECT_EQ(attention.runs[1].bytes_read, 5u * 8 + 16);
  EXPECT_EQ(attention.runs[1].bytes_written, 8u);
}

TEST(Report, TimesOfTheWaysOfMeasuringStayApart) {
  const Phase phase = from_measurement(two_tokens()).phases.at(0);
  EXPECT_DOUBLE_EQ(phase.timing.usual, 100);
  EXPECT_EQ(phase.waits, 3u);  // whatever for
  EXPECT_DOUBLE_EQ(phase.timing.gpu, 16);
  EXPECT_DOUBLE_EQ(phase.timing.gpu_stamped, 24);
  EXPECT_DOUBLE_EQ(phase.total(), 15);
  EXPECT_DOUBLE_EQ(gaps(phase), 9);
}

TEST(Report, JsonGivesItBack) {
  const Report report = from_measurement(two_tokens());
  const std::string json = to_json(report).dump();
  EXPECT_EQ(to_json(from_json(nlohmann::json::parse(json), "x")).dump(), json);
}

TEST(Report, Layers) {
  EXPECT_EQ(layer_of("/model/layers.12/moe/QMoE"), 12u);
  EXPECT_EQ(layer_of("model.layers.0.self_attn"), 0u);
  EXPECT_EQ(layer_of("/h.3/attn"), 3u);
  EXPECT_FALSE(layer_of("/model/layers./x"));
  EXPECT_FALSE(layer_of("/lm_head"));
  EXPECT_TRUE(layer_of("layers.99999999999999999999/x"));
}

TEST(Report, CsvQuotesWhatHoldsCommas) {
  Report report = from_measurement(two_tokens());
  report.phases[0].steps[0].node = "a,\"b\"";
  const std::string csv = to_csv(report);
  EXPECT_NE(csv.find("decode,QMoE,\"a,\"\"b\"\"\",fc1,GPU,"), std::string::npos) << csv;
}

TEST(Report, CompareSetsRunsSideBySide) {
  const Report a = from_measurement(two_tokens());
  Report b = a;
  for (Step& one : b.phases[0].steps) {
    for (auto& run : one.runs) run.time *= 3;
  }
  const std::string text = compare(a, b);
  EXPECT_NE(text.find("3.00x"), std::string::npos) << text;
  b.phases[0].name = "prefill";
  b.phases.push_back(b.phases[0]);
  EXPECT_THROW(compare(a, b), Error);
}

// A: one dispatch of two nodes of different operators. B: the same nodes one by one, and one that A does not have.
TEST(Report, CompareAddsSingleNodesUpWhereTheOtherReportJoinedThem) {
  const auto phase_of = [](std::vector<Step> steps) {
    Phase phase;
    phase.name = "decode";
    phase.steps = std::move(steps);
    return phase;
  };
  const auto step_of = [](const std::string& op, const std::string& node, double time) {
    Step step;
    step.op = op;
    step.node = node;
    step.sources = {op + " " + node};
    step.runs = {{.time = time}};
    return step;
  };
  Step joined = step_of("MatMul+QMoE", "/up", 10);
  joined.sources = {"MatMul /up", "QMoE /moe", "Add /add"};
  Report a, b;
  a.phases = {phase_of({joined, step_of("MatMul", "/head", 4)})};
  b.phases = {phase_of({step_of("MatMul", "/up", 20), step_of("QMoE", "/moe", 30), step_of("Add", "/add", 5),
                        step_of("MatMul", "/head", 8), step_of("Shape", "/shape", 1)})};
  const std::string text = compare(a, b);
  const auto row = [](const char* name, const char* a_us, const char* b_us, const char* ratio) {
    return fmt::format("  {:<34} {} {} {:>9}\n", name, a_us, b_us, ratio);
  };
  EXPECT_NE(text.find(row("MatMul+QMoE", "       10.00      1.0", "       55.00      3.0", "5.50x")), std::string::npos)
      << text;
  EXPECT_NE(text.find(row("MatMul", "        4.00      1.0", "        8.00      1.0", "2.00x")), std::string::npos)
      << text;
  EXPECT_NE(text.find(row("Shape", "           -         ", "        1.00      1.0", "-")), std::string::npos) << text;
  EXPECT_NE(text.find("3 nodes of B"), std::string::npos) << text;
  EXPECT_NE(compare(b, a).find("3 nodes of A"), std::string::npos);
  EXPECT_EQ(compare(a, a).find("nodes of"), std::string::npos);
}

TEST(Report, SourcesSayWhatTheyShareOnce) {
  EXPECT_EQ(sources_text({"QMoE /l.1/moe/MoE_Quant", "TopK /l.1/router/TopK", "Neg /l.1/router/Neg_2"}),
            "/l.1/{moe/MoE_Quant (QMoE), router/TopK, router/Neg_2}");
  EXPECT_EQ(sources_text({"Add a", "Mul b"}), "a (Add), b (Mul)");
  EXPECT_EQ(sources_text({"Add /a/Add", "Add /a/Add"}), "/a/{Add, Add}");
  EXPECT_EQ(sources_text({"sample"}), " (sample)");
}

// A step that runs with every token would fill the list of slowest runs alone.
TEST(Report, TheTextListsASlowStepOnceWithItsRange) {
  const std::string text = to_text(from_measurement(two_tokens()));
  const size_t list = text.find("TOP 30 SLOWEST");
  const size_t first = text.find("/model/layers.1/attn  gqa", list);
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("/model/layers.1/attn  gqa", first + 1), std::string::npos) << text;
  EXPECT_NE(text.find("(2 runs, 1.00 to 2.00 us)"), std::string::npos) << text;
}

// Whole 16 us, with stamps 24 us: dispatches of 15 us and gaps of 9 us.
TEST(Report, TheTextSaysWhereTheCostOfMeasuringIs) {
  Report report = from_measurement(two_tokens());
  EXPECT_NE(to_text(report).find("1.33 us a dispatch: 0.00 in the times below"), std::string::npos) << to_text(report);
  report.phases[0].timing.gpu = 12;
  EXPECT_NE(to_text(report).find("2.00 us a dispatch: 0.50 in the times below"), std::string::npos) << to_text(report);
  report.phases[0].timing.gpu = 25;
  EXPECT_NE(to_text(report).find("less than the rounds differ"), std::string::npos) << to_text(report);
  report.phases[0].timing.gpu = 16;
  report.phases[0].steps.clear();  // as a file may have it
  EXPECT_EQ(to_text(report).find("inf us"), std::string::npos) << to_text(report);
}

TEST(Report, TheTextAddsUpWhereAListIsCut) {
  Report report = from_measurement(two_tokens());
  for (int i = 0; i < 30; ++i) {
    Step step = report.phases[0].steps[2];
    step.op = fmt::format("Op{}", i);
    report.phases[0].steps.push_back(step);
  }
  const std::string text = to_text(report);
  EXPECT_NE(text.find("(12 others)                     total=    0.04 ms  count=  24"), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice::profile
