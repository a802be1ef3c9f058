// WGSL that watches its own indices: what proves, as far as tests reach, that a shader needs no bounds checks.
//
// Every index whose range the text tells is passed through a function: those of storage buffers (by arrayLength, which
// is the size of the binding), of workgroup, private, function-local and uniform arrays, of vectors and matrices. One
// that is out of range becomes 0, and its number is noted in a buffer. Values whose type is inferred from anything but
// a constructor, a call or another variable are not watched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::shader {

struct CheckedIndices {
  std::string wgsl;
  std::vector<std::string> places;  // what number first + i stands for: "values[to + v]"
};

// Checks the indices of an expanded text. The note is one u32 at @group(0) @binding(binding): 0, or the number of an
// index that was out of range.
CheckedIndices check_indices(const std::string& wgsl, uint32_t binding, uint32_t first);

}  // namespace sluice::shader
