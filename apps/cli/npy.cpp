#include "npy.h"

#include <fmt/format.h>

#include <fstream>

#include "sluice/error.h"

namespace sluice::cli {

void write_npy(const std::filesystem::path& file, std::span<const float> values, uint64_t rows, uint64_t columns) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  constexpr size_t kPrefix = 10, kAlignment = 64;
  header.resize((kPrefix + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kPrefix - 1, ' ');
  header += '\n';
  std::ofstream stream(file, std::ios::binary);
  stream.write("\x93NUMPY\x01\x00", 8);
  const auto length = static_cast<uint16_t>(header.size());
  const char bytes[2] = {static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  stream.write(bytes, 2);
  stream << header;
  stream.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  stream.close();
  if (!stream) throw Error("logits", fmt::format("cannot write {}", file.string()));
}

}  // namespace sluice::cli
