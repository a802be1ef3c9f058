#include "shader/shader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "shader/expander.h"

namespace sluice::shader {
namespace {

constexpr const char* kFile = "shader/testdata/conditions.wgsl";

Shader conditions(uint32_t flag, uint32_t size, const char* type) {
  return {kFile, {{"FLAG", flag}, {"SIZE", size}, {"T", type}}};
}

size_t count(const std::string& text, const std::string& part) {
  size_t result = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++result;
  return result;
}

template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Shader, TakesOneBranch) {
  for (const auto& [size, branch] :
       {std::pair{4u, "size_is_4"}, {8u, "size_is_8"}, {16u, "size_is_16"}, {5u, "size_is_other"}}) {
    const auto text = expand(conditions(1, size, "f32"), {});
    EXPECT_EQ(count(text, "const size_is_"), 1u) << text;
    EXPECT_EQ(count(text, fmt::format("const {} =", branch)), 1u) << text;
    EXPECT_EQ(count(text, "const flag"), 1u);
    EXPECT_EQ(count(text, "const no_flag"), 0u);
  }
  const auto without = expand(conditions(0, 4, "f32"), {});
  EXPECT_EQ(count(without, "const size_is_"), 0u) << without;
  EXPECT_EQ(count(without, "const no_flag"), 1u);
}

TEST(Shader, AndBindsTighterThanOr) {
  EXPECT_EQ(count(expand(conditions(0, 4, "f32"), {}), "const mixed"), 1u);
  EXPECT_EQ(count(expand(conditions(1, 8, "f16"), {}), "const mixed"), 1u);
  EXPECT_EQ(count(expand(conditions(1, 4, "f16"), {}), "const mixed"), 0u);
  EXPECT_EQ(count(expand(conditions(1, 8, "f32"), {}), "const mixed"), 0u);
}

TEST(Shader, IncludesOnce) {
  const auto text = expand(conditions(1, 4, "i32"), {});
  EXPECT_EQ(count(text, "const included:"), 1u) << text;
  EXPECT_EQ(count(text, "const included_not_f32"), 1u);
}

TEST(Shader, DirectivesComeFirstThenDefinitions) {
  const auto text = expand(conditions(1, 8, "f16"), {});
  EXPECT_EQ(text.rfind("diagnostic(off, subgroup_uniformity);\nenable f16;\nconst FLAG: u32 = 1u;\nconst SIZE: u32 = "
                       "8u;\nalias T = f16;\n",
                       0),
            0u)
      << text;
  EXPECT_EQ(count(text, "diagnostic("), 1u);
}

TEST(Shader, EnablesFollowTheDialect) {
  Shader shader = conditions(1, 8, "vec4<f16>");
  shader.defines.emplace_back("SUBGROUPS", 1u);
  EXPECT_EQ(count(expand(shader, {}), "enable subgroups;"), 0u);
  EXPECT_EQ(count(expand(shader, {.enable_subgroups = true}), "enable subgroups;"), 1u);
  EXPECT_EQ(count(expand(shader, {}), "enable f16;"), 1u);
  shader.defines.back().second = 0u;
  EXPECT_EQ(count(expand(shader, {.enable_subgroups = true}), "enable subgroups;"), 0u);
}

TEST(Shader, RequiresPackedDotOnlyWhereUsed) {
  const auto read = [](std::string_view) { return std::string_view("let d = dot4I8Packed(a, b);\n"); };
  const Dialect dialect{.requires_packed_dot = true};
  EXPECT_EQ(count(expand({"a.wgsl", {}}, dialect, read), "requires packed_4x8_integer_dot_product;"), 1u);
  EXPECT_EQ(count(expand({"a.wgsl", {}}, {}, read), "requires"), 0u);
  EXPECT_EQ(count(expand(conditions(1, 4, "f32"), dialect), "requires"), 0u);
}

TEST(Shader, ErrorsNameFileAndLine) {
  const auto error = [](std::string_view text) {
    return error_of([&] { expand({"a.wgsl", {{"N", 1u}, {"T", "f32"}}}, {}, [&](std::string_view) { return text; }); });
  };
  EXPECT_EQ(error("x\n#if M\n#endif\n"), "[shader] a.wgsl:2: M is not defined, in #if M");
  EXPECT_EQ(error("#if N || M\n#endif\n"), "[shader] a.wgsl:1: M is not defined, in #if N || M");
  EXPECT_EQ(error("#if !N\n#if M\n#endif\n#endif\n"), "[shader] a.wgsl:2: M is not defined, in #if M");
  EXPECT_EQ(error("#if N\n"), "[shader] a.wgsl:1: #if without #endif");
  EXPECT_EQ(error("\n#endif"), "[shader] a.wgsl:2: #endif without #if");
  EXPECT_EQ(error("#else\n"), "[shader] a.wgsl:1: #else without #if");
  EXPECT_EQ(error("#if N\n#else\n#elif N\n#endif\n"), "[shader] a.wgsl:3: #elif after #else");
  EXPECT_EQ(error("#if N\n#else N\n#endif\n"), "[shader] a.wgsl:2: #else takes no condition");
  EXPECT_EQ(error("#if\n#endif\n"), "[shader] a.wgsl:1: expected a name in #if ");
  EXPECT_EQ(error("#if N ==\n#endif\n"), "[shader] a.wgsl:1: expected a value in #if N ==");
  EXPECT_EQ(error("#if N 1\n#endif\n"), "[shader] a.wgsl:1: cannot read #if N 1");
  EXPECT_EQ(error("#if T\n#endif\n"), "[shader] a.wgsl:1: T is a type, compare it with == or !=, in #if T");
  EXPECT_EQ(error("#if N == f16\n#endif\n"), "[shader] a.wgsl:1: N is a number and cannot equal f16, in #if N == f16");
  EXPECT_EQ(error("#define N\n"), "[shader] a.wgsl:1: unknown directive #define");
  EXPECT_EQ(error("#include b.wgsl\n"), "[shader] a.wgsl:1: #include wants a path in quotes, got b.wgsl");
}

TEST(Shader, MissingFilesAreErrors) {
  EXPECT_EQ(error_of([] { expand({"no/such.wgsl", {}}, {}); }), "[shader] no shader file no/such.wgsl");
  const auto read = [](std::string_view path) {
    return path == "a.wgsl" ? std::string_view("\n#include \"b.wgsl\"\n") : std::string_view();
  };
  EXPECT_EQ(error_of([&] { expand({"a.wgsl", {}}, {}, read); }), "[shader] a.wgsl:2: no shader file b.wgsl");
}

TEST(Shader, DoubleDefinitionIsAnError) {
  Shader shader = conditions(1, 4, "f32");
  shader.defines.emplace_back("FLAG", 0u);
  EXPECT_EQ(error_of([&] { expand(shader, {}); }), fmt::format("[shader] {}: FLAG is defined twice", kFile));
}

TEST(Shader, SkippedIncludesAreNotRead) {
  const auto read = [](std::string_view) {
    return std::string_view("#if N\n#include \"absent.wgsl\"\n#endif\nbody\n");
  };
  EXPECT_EQ(expand({"a.wgsl", {{"N", 0u}}}, {}, read), "const N: u32 = 0u;\nbody\n");
}

TEST(Shader, EmbeddedFilesAreFound) {
  const auto files = embedded_files();
  EXPECT_NE(std::find(files.begin(), files.end(), kFile), files.end());
  EXPECT_TRUE(embedded_file("no/such.wgsl").empty());
}

}  // namespace
}  // namespace sluice::shader
