// A shared library opened at run time: the one place that knows dlopen from LoadLibrary.
#pragma once

#include <string>

namespace sluice {

// Stays loaded for the life of the process: libraries that start threads or keep thread-local state do not survive
// unloading.
class DynamicLibrary {
 public:
  // Throws Error with the system's own text. A path without a folder is looked up as the system does.
  explicit DynamicLibrary(const std::string& path);

  const std::string& path() const { return path_; }
  // Address of an exported function, nullptr if there is none.
  void* symbol(const char* name) const;

 private:
  std::string path_;
  void* handle_ = nullptr;
};

// Folder of the program or shared library that this code is part of, without a trailing separator; empty if the system
// does not tell.
std::string code_folder();

}  // namespace sluice
