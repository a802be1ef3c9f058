// The files beside a model that hold its large tensors. A model is an untrusted file: it must not be able to make us
// read anything outside its own folder. A location is therefore resolved, symbolic links included, and must end inside
// the folder of the model as it was named, or of the file that this name resolves to: download caches keep every file
// of a model as a link into one store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"

namespace sluice::onnx {

struct ExternalFile {
  std::filesystem::path path;
  uint64_t size = 0;
  std::shared_ptr<const MappedFile> mapped;  // null until map() is asked for
};

class ExternalFiles {
 public:
  explicit ExternalFiles(const std::filesystem::path& folder) : folders_{folder} {}
  // Allows the folder of the file that `model` resolves to as well.
  void allow_target_of(const std::filesystem::path& model);

  // The file at a location of the model; looked up once. Throws Broken if it is missing, no regular file, or out of
  // bounds.
  ExternalFile& find(const std::string& location);
  // Maps it (once) and returns its bytes.
  static std::span<const std::byte> map(ExternalFile& file);

 private:
  std::filesystem::path resolve(const std::string& location) const;

  std::vector<std::filesystem::path> folders_;
  std::unordered_map<std::string, ExternalFile> files_;
};

}  // namespace sluice::onnx
