// Compiled shaders, kept on disk between runs, for a library that gives them away (Dawn). wgpu-native has no function
// for it in C; there the driver's own cache is all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::gpu {

using Blob = std::vector<std::byte>;

// A folder of files, one a blob, named by a hash of its key. A file holds the key, the blob and a checksum: what is
// truncated, damaged or of another key counts as absent. Files are written under another name and then renamed, so that
// runs may share the folder. Failures to read or write are no errors: the blob is compiled again. Any thread may call.
class BlobCache {
 public:
  // Makes the folder, and room in it if its files have more than kMostBytes.
  explicit BlobCache(std::filesystem::path folder);
  static constexpr uint64_t kMostBytes = 256u << 20;

  std::optional<Blob> load(std::span<const std::byte> key) const;
  void store(std::span<const std::byte> key, std::span<const std::byte> blob) const;
  std::filesystem::path file_of(std::span<const std::byte> key) const;

  // For a library that asks for the size first (empty `out`) and then for the bytes: both calls see the same blob.
  // Returns its size, 0 if there is none.
  size_t load_in_two_calls(std::span<const std::byte> key, std::span<std::byte> out);

  // The cache of the process in the user's folder for caches; null with SLUICE_CACHE=off and where there is no folder.
  static BlobCache* shared();

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, Blob> asked_;  // file name -> blob whose size was asked for
};

}  // namespace sluice::gpu
