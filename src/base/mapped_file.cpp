// The one file that maps memory: mmap on POSIX systems, CreateFileMapping on Windows. Both keep the pages after the
// file descriptors are closed, so an object needs to remember nothing but address and size.
#include "base/mapped_file.h"

#include <system_error>

#include "base/error.h"

#ifdef _WIN32
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#endif

namespace sluice {

#ifdef _WIN32

namespace {

struct Handle {
  HANDLE value;
  explicit Handle(HANDLE h) : value(h) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

[[noreturn]] void fail_last(const std::filesystem::path& path) {
  const std::error_code code(static_cast<int>(GetLastError()), std::system_category());
  fail("file", "{}: {}", path.string(), code.message());
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Handle file(
      CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (file.value == INVALID_HANDLE_VALUE) fail_last(path);
  LARGE_INTEGER size;
  if (GetFileType(file.value) != FILE_TYPE_DISK) fail("file", "{}: not a regular file", path.string());
  if (!GetFileSizeEx(file.value, &size)) fail_last(path);
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  if (size.QuadPart == 0) return mapped;
  const Handle mapping(CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr));
  if (mapping.value == nullptr) fail_last(path);
  const void* view = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
  if (view == nullptr) fail_last(path);
  mapped->data_ = static_cast<const std::byte*>(view);
  mapped->size_ = static_cast<size_t>(size.QuadPart);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) UnmapViewOfFile(data_);
}

void read_ahead(std::span<const std::byte> bytes) {
  WIN32_MEMORY_RANGE_ENTRY range{const_cast<std::byte*>(bytes.data()), bytes.size()};
  PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

#else

namespace {

struct Descriptor {
  int value;
  explicit Descriptor(int fd) : value(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

[[noreturn]] void fail_errno(const std::filesystem::path& path) {
  const std::error_code code(errno, std::generic_category());
  fail("file", "{}: {}", path.string(), code.message());
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // Non-blocking, so that opening a pipe without a writer returns.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value < 0) fail_errno(path);
  struct stat status;
  if (::fstat(file.value, &status) != 0) fail_errno(path);
  if (!S_ISREG(status.st_mode)) fail("file", "{}: not a regular file", path.string());
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  if (status.st_size == 0) return mapped;
  const size_t size = static_cast<size_t>(status.st_size);
  void* view = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (view == MAP_FAILED) fail_errno(path);
  mapped->data_ = static_cast<const std::byte*>(view);
  mapped->size_ = size;
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void read_ahead(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % page;  // of the mapping, in the first page
  ::posix_madvise(const_cast<std::byte*>(bytes.data()) - before, before + bytes.size(), POSIX_MADV_WILLNEED);
}

#endif

}  // namespace sluice
