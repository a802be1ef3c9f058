#include "base/environment.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

#ifdef _WIN32
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace sluice {
namespace {

std::filesystem::path folder_from(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::filesystem::path(value) : std::filesystem::path();
}

std::optional<unsigned> shift_of(std::string_view unit) {
  if (unit.empty()) return 0;
  if (unit == "KiB") return 10;
  if (unit == "MiB") return 20;
  if (unit == "GiB") return 30;
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> bytes_from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return std::nullopt;
  const std::string_view text(value);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto shift = shift_of(text.substr(static_cast<size_t>(end - text.data())));
  if (error != std::errc() || !shift || number > ~uint64_t{0} >> *shift)
    fail("environment", "{} takes a number of bytes (65536, 512MiB, 8GiB), got {}", name, text);
  return number << *shift;
}

#ifdef _WIN32

void set_environment_default(const char* name, const char* value) {
  if (std::getenv(name) == nullptr) _putenv_s(name, value);
}

uint64_t host_memory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

std::filesystem::path cache_folder() { return folder_from("LOCALAPPDATA"); }

#else

void set_environment_default(const char* name, const char* value) { setenv(name, value, 0); }

uint64_t host_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(size) : 0;
}

std::filesystem::path cache_folder() {
  std::filesystem::path chosen = folder_from("XDG_CACHE_HOME");
  const std::filesystem::path home = folder_from("HOME");
  if (chosen.is_absolute()) return chosen;  // the specification has relative ones ignored
  if (!home.is_absolute()) return {};
#ifdef __APPLE__
  return home / "Library" / "Caches";
#else
  return home / ".cache";
#endif
}

#endif

}  // namespace sluice
