// Several shaders in one text, side by side: each of the parts runs in workgroups of its own of one dispatch, as it
// would in a dispatch by itself. For small dispatches that do not wait for each other: each saved is a start saved.
//
// The names that a part declares get a prefix, its bindings follow those of the parts before it, and its `main` becomes
// a function that a common one calls with the workgroup's number within the part. The uniforms are one struct:
//   the number of workgroups of each part (vec4<u32>), then the uniforms of every part that has any
// Workgroups of all parts have one size and one dimension.
//
// What this asks of a part's text: a binding is declared on a line of its own; no local name is that of the uniforms;
// of the built-in values `main` takes those of the table in side_by_side.cpp.
#pragma once

#include <span>
#include <string>

#include "shader/expander.h"

namespace sluice::shader {

constexpr size_t kMostParts = 4;

// Throws Error naming the part's file where its text is not as said above, or has no parts or too many.
std::string side_by_side(std::span<const ShaderPart> parts, const Dialect& dialect, const FileReader& read);

}  // namespace sluice::shader
