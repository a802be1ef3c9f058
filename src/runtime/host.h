// Tensors between the host and the device, in the element types of the caller.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "gpu/device.h"
#include "kernels/common/plan.h"

namespace sluice::runtime {

// Elements of a kF32 or kF16 tensor as float32. Blocks until everything submitted has run.
std::vector<float> read_floats(gpu::Device& device, const gpu::Buffer& buffer, const kernels::Tensor& tensor);

// Whether ONNX's bytes of a type are the device's, so that they can be written as they are.
bool same_layout(DType dtype, kernels::Storage storage);

// Bytes as ONNX lays out `dtype` <-> bytes as the tensor's storage does. Throws Error if an int64 or uint64 does
// not fit in 32 bits.
std::vector<std::byte> to_device_layout(std::span<const std::byte> bytes, DType dtype, kernels::Storage storage);
std::vector<std::byte> from_device_layout(std::span<const std::byte> bytes, DType dtype, const kernels::Tensor& tensor);

}  // namespace sluice::runtime
