// Small wrappers that turn what the Rust crate returns into C++ values and its error texts into Error.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "rust/sluice_text.h"

namespace sluice::text {

inline SluiceTextSlice slice(std::string_view text) { return {text.data(), text.size()}; }

// Throws "[tag] what: error" if there is an error, and frees it.
inline void check(char* error, std::string_view tag, std::string_view what) {
  if (!error) return;
  const std::unique_ptr<char, void (*)(char*)> owned(error, sluice_text_free_error);
  fail(tag, "{}: {}", what, error);
}

inline std::string take(SluiceTextString owned) {
  const auto release = [&owned](char*) { sluice_text_free_string(owned); };
  const std::unique_ptr<char, decltype(release)> guard(owned.data, release);
  return std::string(owned.data, owned.size);
}

// UTF-8 on every platform; path::string() throws on Windows for names outside the code page.
inline std::string path_text(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return std::string(text.begin(), text.end());
}

// The whole file; nothing when there is no such file, an Error when it cannot be read.
inline std::optional<std::string> read_if_exists(const std::filesystem::path& file, std::string_view tag) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  if (std::filesystem::is_directory(file, ignored)) fail(tag, "{} is a folder, not a file", path_text(file));
  std::ifstream stream(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (!stream.is_open() || stream.bad()) fail(tag, "cannot read {}", path_text(file));
  return bytes;
}

}  // namespace sluice::text
