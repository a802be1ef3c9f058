// The definitions of MatMul/Gemm and MatMulNBits in plain C++ with double accumulation: the tests' oracles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/matmul/nbits_ref.h"

namespace sluice::kernels {

// y (m, n) = a (m, k) * weights^T + bias + residual; the last two may be empty.
std::vector<float> matmul_nbits_reference(const std::vector<float>& a, const NBitsData& weights,
                                          const std::vector<float>& bias, const std::vector<float>& residual);

// What is left of activations as 8-bit integers: in blocks of so many values, multiples of 1/127 of the largest.
std::vector<float> quantised_to_8_bits(const std::vector<float>& a, uint32_t block);

struct HostTensor {
  std::vector<uint32_t> shape;
  std::vector<float> values;
};

// y = alpha * op(a) * op(b) + beta * c with numpy broadcasting; c may have no values. y.shape must be set.
void matmul_reference(const HostTensor& a, const HostTensor& b, const HostTensor& c, bool trans_a, bool trans_b,
                      float alpha, float beta, HostTensor& y);

}  // namespace sluice::kernels
