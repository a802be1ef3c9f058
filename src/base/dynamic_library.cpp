#include "base/dynamic_library.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif
#endif

namespace sluice {

#if defined(_WIN32)

DynamicLibrary::DynamicLibrary(const std::string& path) : path_(path) {
  handle_ = LoadLibraryW(std::filesystem::path(path).c_str());
  if (!handle_) {
    const auto code = static_cast<int>(GetLastError());
    fail("library", "cannot load {}: {}", path, std::system_category().message(code));
  }
}

void* DynamicLibrary::symbol(const char* name) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
}

std::string executable_folder() {
  wchar_t buffer[32768];
  const DWORD length = GetModuleFileNameW(nullptr, buffer, 32768);
  return std::filesystem::path(buffer, buffer + length).parent_path().string();
}

#else

DynamicLibrary::DynamicLibrary(const std::string& path)
    : path_(path), handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (!handle_) {
    const char* text = dlerror();
    fail("library", "cannot load {}: {}", path, text ? text : "unknown error");
  }
}

void* DynamicLibrary::symbol(const char* name) const { return dlsym(handle_, name); }

std::string executable_folder() {
#if defined(__APPLE__)
  char buffer[4096];
  uint32_t size = sizeof(buffer);
  if (_NSGetExecutablePath(buffer, &size) != 0) return {};
  return std::filesystem::path(buffer).parent_path().string();
#else
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
#endif
}

#endif

}  // namespace sluice
