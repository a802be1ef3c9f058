// Integers that lie packed in words, as whole ones and back: for operators whose kernels take one element a word.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y[i] = the i-th `bits`-bit number of x, low bits first. x: kBytes of any shape, with enough bytes for y's elements;
// y: kI32. bits 4 or 8; is_signed: two's complement.
struct UnpackProblem {
  Tensor x, y;
  uint32_t bits = 8;
  bool is_signed = false;
};
void plan_unpack(const UnpackProblem& problem, Recorder& recorder);

// y = x modulo 256. x: kI32, y: kBytes of the same count.
void plan_pack_bytes(const Tensor& x, const Tensor& y, Recorder& recorder);

}  // namespace sluice::kernels
