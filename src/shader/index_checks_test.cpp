#include "shader/index_checks.h"

#include <gtest/gtest.h>

namespace sluice::shader {
namespace {

constexpr const char* kGlobals = R"(
alias Quad = vec4<f32>;
alias Pair = array<vec2<u32>, 3>;
const N: u32 = 8u;
struct Params { count: u32, ends: array<vec4<u32>, 2>, }  // count: not a variable
@group(0) @binding(0) var<storage, read> x: array<Quad>;
@group(0) @binding(1) var<uniform> params: Params;
var<workgroup> tile: array<f32, N * 2u>;
fn pairs() -> Pair { return Pair(); }
)";

// The places of what is checked in a function with this body.
std::vector<std::string> places_in(const std::string& body) {
  return check_indices(kGlobals + ("fn f(i: u32, own: ptr<function, array<u32, N>>) {\n" + body + "\n}\n"), 2, 1)
      .places;
}

using Places = std::vector<std::string>;

TEST(IndexChecks, KnowBuffersArraysVectorsAndMembers) {
  EXPECT_EQ(places_in("let a = x[i];"), Places{"x[i]"});
  EXPECT_EQ(places_in("let a = x[0u];"), Places{"x[0u]"});
  EXPECT_EQ(places_in("let a = x[i + 1u][i];"), (Places{"x[i + 1u]", "x[i + 1u][i]"}));
  EXPECT_EQ(places_in("tile[i * 2u] = 1.0;"), Places{"tile[i * 2u]"});
  EXPECT_EQ(places_in("let e = params.ends[i / 4u][i % 4u];"),
            (Places{"params.ends[i / 4u]", "params.ends[i / 4u][i % 4u]"}));
}

TEST(IndexChecks, KnowLocalsByTypeConstructorCallAndCopy) {
  EXPECT_EQ(places_in("var a: Pair; a[i] = vec2<u32>();"), Places{"a[i]"});
  EXPECT_EQ(places_in("var a = array<u32, 4>(); a[i]++;"), Places{"a[i]"});
  EXPECT_EQ(places_in("var a = pairs(); a[i].x++;"), Places{"a[i]"});
  EXPECT_EQ(places_in("let p = Pair(); var a = p; a[i].x++;"), Places{"a[i]"});
  EXPECT_EQ(places_in("let a = pairs()[i];"), Places{"pairs()[i]"});
  EXPECT_EQ(places_in("(*own)[i] = 0u;"), Places{"(*own)[i]"});
}

TEST(IndexChecks, CheckIndicesWithinIndicesAndCalls) {
  EXPECT_EQ(places_in("let a = x[u32(tile[i])];"), (Places{"tile[i]", "x[u32(tile[i])]"}));
  EXPECT_EQ(places_in("let a = max(tile[i], tile[i + 1u]);"), (Places{"tile[i]", "tile[i + 1u]"}));
}

TEST(IndexChecks, LeaveWhatNeedsNoneOrIsNotKnown) {
  EXPECT_EQ(places_in("let a = tile[3];"), Places{});              // the compiler checks constants
  EXPECT_EQ(places_in("let a = tile[0] * 2.0; a[i];"), Places{});  // inferred
  EXPECT_EQ(places_in("let x = 1u; // x[i]"), Places{});
}

TEST(IndexChecks, ForgetLocalsAtTheNextFunction) {
  const std::string text = std::string(kGlobals) + "fn f() { let x = 1u; }\nfn g(i: u32) { let a = x[i]; }\n";
  EXPECT_EQ(check_indices(text, 2, 1).places, Places{"x[i]"});
}

TEST(IndexChecks, WriteSizesAndNumbers) {
  const std::string text = std::string(kGlobals) + "fn g(i: i32) { tile[i] = x[i][i]; }\n";
  const CheckedIndices checked = check_indices(text, 5, 7);
  const auto has = [&](const char* part) { return checked.wgsl.find(part) != std::string::npos; };
  EXPECT_TRUE(has("tile[sluice_index(u32(i), u32(N * 2u), 7u)]")) << checked.wgsl;
  EXPECT_TRUE(has("x[sluice_index(u32(i), u32(arrayLength(&x)), 8u)][sluice_index(u32(i), u32(4), 9u)]"));
  EXPECT_TRUE(has("@group(0) @binding(5) var<storage, read_write> sluice_outside"));
}

}  // namespace
}  // namespace sluice::shader
