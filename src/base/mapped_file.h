// A file mapped into memory, read-only: weights are read by the page as they are uploaded, never copied as a whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace sluice {

class MappedFile {
 public:
  // Throws Error if the path is missing, unreadable or not a regular file. An empty file gives empty bytes. Whoever
  // shortens the file while it is mapped makes reads beyond the new end fail as the platform does it.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the system that these bytes of a mapped file are wanted soon: it reads them while the caller does other things.
// Other memory may be given too, without effect.
void read_ahead(std::span<const std::byte> bytes);

}  // namespace sluice
