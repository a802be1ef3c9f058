#include "gpu/blob_cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string_view>

#include "base/environment.h"
#include "base/error.h"

namespace sluice::gpu {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMagic = 0x31424f4c42434c53;  // "SLCBLOB1"

struct Header {
  uint64_t magic = kMagic, key_size = 0, blob_size = 0, checksum = 0;
};

// FNV-1a.
uint64_t hash(std::span<const std::byte> bytes, uint64_t seed) {
  uint64_t value = 0xcbf29ce484222325 ^ seed;
  for (const std::byte byte : bytes) value = (value ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  return value;
}

uint64_t checksum(std::span<const std::byte> key, std::span<const std::byte> blob) { return hash(blob, hash(key, 1)); }

// The blob in the bytes of a file, if they are whole and of this key.
std::optional<Blob> blob_in(const Blob& file, std::span<const std::byte> key) {
  Header header;
  if (file.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.magic != kMagic || header.key_size != key.size()) return std::nullopt;
  const auto rest = std::span(file).subspan(sizeof(header));
  if (rest.size() < key.size() || rest.size() - key.size() != header.blob_size) return std::nullopt;
  const auto blob = rest.subspan(key.size());
  if (!std::equal(key.begin(), key.end(), rest.begin()) || checksum(key, blob) != header.checksum) return std::nullopt;
  return Blob(blob.begin(), blob.end());
}

std::optional<Blob> read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return std::nullopt;
  Blob bytes(static_cast<size_t>(std::max<std::streamoff>(0, stream.tellg())));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) return std::nullopt;
  return bytes;
}

// Removes the files that were written longest ago, down to half of what may be there.
void make_room(const fs::path& folder) {
  struct File {
    fs::file_time_type time;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    files.push_back({entry.last_write_time(error), entry.file_size(error), entry.path()});
    total += files.back().bytes;
  }
  if (total <= BlobCache::kMostBytes) return;
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.time < b.time; });
  for (const File& file : files) {
    if (total <= BlobCache::kMostBytes / 2) return;
    fs::remove(file.path, error);
    total -= file.bytes;
  }
}

}  // namespace

BlobCache::BlobCache(fs::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  make_room(folder_);
}

fs::path BlobCache::file_of(std::span<const std::byte> key) const {
  return folder_ / fmt::format("{:016x}{:016x}", hash(key, 0), hash(key, 0x5bd1e995));
}

std::optional<Blob> BlobCache::load(std::span<const std::byte> key) const {
  const auto file = read_file(file_of(key));
  return file ? blob_in(*file, key) : std::nullopt;
}

void BlobCache::store(std::span<const std::byte> key, std::span<const std::byte> blob) const {
  const fs::path path = file_of(key);
  fs::path draft = path;
  draft += fmt::format(".{:08x}", std::random_device()());
  std::error_code error;
  {
    std::ofstream stream(draft, std::ios::binary);
    const Header header{kMagic, key.size(), blob.size(), checksum(key, blob)};
    const auto write = [&](const void* data, size_t size) {
      stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    };
    write(&header, sizeof(header));
    write(key.data(), key.size());
    write(blob.data(), blob.size());
    stream.close();
    if (!stream) {
      fs::remove(draft, error);
      return;
    }
  }
  fs::rename(draft, path, error);
  if (error) fs::remove(draft, error);
}

size_t BlobCache::load_in_two_calls(std::span<const std::byte> key, std::span<std::byte> out) {
  const std::string name = file_of(key).filename().string();
  const std::lock_guard lock(mutex_);
  auto asked = asked_.find(name);
  if (asked == asked_.end()) {
    auto blob = load(key);
    if (!blob || blob->empty()) return 0;
    asked = asked_.emplace(name, std::move(*blob)).first;
  }
  const size_t size = asked->second.size();
  if (out.size() < size) return out.empty() ? size : 0;
  std::copy(asked->second.begin(), asked->second.end(), out.begin());
  asked_.erase(asked);
  return size;
}

BlobCache* BlobCache::shared() {
  static BlobCache* const kCache = []() -> BlobCache* {  // never freed: a library's threads may call late
    const char* choice = std::getenv("SLUICE_CACHE");
    const std::string_view wanted = choice ? choice : "";
    if (!wanted.empty() && wanted != "on" && wanted != "off")
      fail("gpu", "SLUICE_CACHE takes on or off, got {}", wanted);
    const fs::path folder = cache_folder();
    return wanted == "off" || folder.empty() ? nullptr : new BlobCache(folder / "sluice" / "shaders");
  }();
  return kCache;
}

}  // namespace sluice::gpu
