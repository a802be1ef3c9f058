#include "base/dynamic_library.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
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

std::string code_folder() {
  HMODULE module = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                     reinterpret_cast<LPCWSTR>(&code_folder), &module);
  wchar_t buffer[32768];
  const DWORD length = GetModuleFileNameW(module, buffer, 32768);
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

// The loader knows a shared library by its path, but a program that the shell found in PATH by its mere name.
std::string code_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&code_folder), &info) == 0 || !info.dli_fname) return {};
  const std::filesystem::path name = info.dli_fname;
  std::error_code error;
  std::filesystem::path file;
  if (name.has_parent_path()) file = std::filesystem::canonical(name, error);
  if (file.empty()) file = std::filesystem::read_symlink("/proc/self/exe", error);
  return file.parent_path().string();
}

#endif

}  // namespace sluice
