// NumPy's .npy format, version 1.0: float32 matrices.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace sluice::cli {

// Writes values (rows, columns). Throws Error if the file cannot be written.
void write_npy(const std::filesystem::path& file, std::span<const float> values, uint64_t rows, uint64_t columns);

}  // namespace sluice::cli
