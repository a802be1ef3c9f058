#include "shader/side_by_side.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace sluice::shader {
namespace {

const std::map<std::string_view, std::string_view> kFiles = {
    {"scale.wgsl", R"(// scale by a number; x stays in a comment
struct Params {
  n: u32,
  scale: f32,
}
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(AT_Y) var<storage, read_write> y: array<T>;
@group(0) @binding(AT_Y + 1u) var<uniform> params: Params;
var<workgroup> n: array<vec2<f32>, WG>;
fn scaled(x_at: u32) -> f32 {
  return params.scale * f32(x[x_at]);
}
@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let at = id.x * WG + lane;
  if (at < params.n) {
    y[at] = T(scaled(at));
  }
}
)"},
    {"fill.wgsl", R"(enable f16;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  y[id.x] = 1u;
}
)"},
    {"no_uniforms.wgsl", R"(@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  y[lane] = 1u;
}
)"}};

std::string joined(const std::vector<ShaderPart>& parts) {
  return side_by_side(parts, {}, [](std::string_view path) {
    const auto file = kFiles.find(path);
    return file == kFiles.end() ? std::string_view() : file->second;
  });
}

ShaderPart scale(const char* type) { return {"scale.wgsl", {{"T", type}, {"WG", 64u}, {"AT_Y", 1u}}, 2, 16}; }

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

TEST(SideBySide, KeepsThePartsApart) {
  const std::string text = joined({scale("f32"), scale("f16")});
  EXPECT_TRUE(text.starts_with("enable f16;\n")) << text;
  expect_part(text, "alias p0_T = f32;");
  expect_part(text, "alias p1_T = f16;");
  expect_part(text, "@group(0) @binding(p0_AT_Y + 0u) var<storage, read_write> p0_y: array<p0_T>;");
  expect_part(text, "@group(0) @binding(0 + 2u) var<storage, read> p1_x: array<p1_T>;");
  expect_part(text, "var<workgroup> p1_n: array<vec2<f32>, p1_WG>;");
  expect_part(text, "struct p1_Params {\n  n: u32,\n  scale: f32,\n}");
  expect_part(text, "return side_by_side.p1_params.scale * f32(p1_x[x_at]);");
  expect_part(text, "fn p1_main( lane: u32,  id: vec3<u32>,\n         count: vec3<u32>) {");
  EXPECT_EQ(text.find("comment"), std::string::npos);
}

TEST(SideBySide, OneMainOverAllWorkgroups) {
  const std::string text = joined({scale("f32"), {"no_uniforms.wgsl", {{"WG", 64u}}, 1, 0}, scale("f32")});
  expect_part(text, R"(struct SideBySide {
  groups: vec4<u32>,
  @align(16) @size(16) p0_params: p0_Params,
  @align(16) @size(16) p2_params: p2_Params,
}
@group(0) @binding(5) var<uniform> side_by_side: SideBySide;
)");
  expect_part(text, R"(@compute @workgroup_size(p0_WG)
fn main(@builtin(local_invocation_index) local_invocation_index: u32, @builtin(workgroup_id) workgroup_id: vec3<u32>) {
  var group = workgroup_id.x;
  if (group < side_by_side.groups[0]) {
    p0_main(local_invocation_index, vec3<u32>(group, 0u, 0u), vec3<u32>(side_by_side.groups[0], 1u, 1u));
    return;
  }
  group -= side_by_side.groups[0];
  if (group < side_by_side.groups[1]) {
    p1_main(local_invocation_index);
    return;
  }
  group -= side_by_side.groups[1];
  p2_main(local_invocation_index, vec3<u32>(group, 0u, 0u), vec3<u32>(side_by_side.groups[2], 1u, 1u));
}
)");
}

std::string error_of(const std::vector<ShaderPart>& parts) {
  try {
    joined(parts);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SideBySide, RefusesWhatItDoesNotUnderstand) {
  expect_part(error_of({}), "1 to 4 shaders");
  expect_part(error_of(std::vector(5, scale("f32"))), "got 5");
  expect_part(error_of({{"fill.wgsl", {}, 1, 0}}), "fill.wgsl: main takes global_invocation_id");
  expect_part(error_of({{"no_uniforms.wgsl", {{"WG", 64u}}, 1, 16}}), "no_uniforms.wgsl: the uniforms are not");
  ShaderPart without = scale("f32");
  without.uniform_bytes = 0;
  expect_part(error_of({without}), "scale.wgsl: the uniforms are not");
}

// A shader of parts is a key like any other.
TEST(SideBySide, OrdersByParts) {
  Shader a, b;
  a.parts = {scale("f32")};
  b.parts = {scale("f16")};
  EXPECT_TRUE(a == a);
  EXPECT_FALSE(a == b);
  EXPECT_NE(a < b, b < a);
}

}  // namespace
}  // namespace sluice::shader
