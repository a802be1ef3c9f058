#include "onnx/external_data.h"

#include <algorithm>
#include <system_error>

#include "onnx/problems.h"

namespace sluice::onnx {
namespace fs = std::filesystem;
namespace {

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [rest, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return rest == folder.end();
}

// ONNX stores locations as UTF-8.
fs::path to_path(const std::string& location) { return fs::path(std::u8string(location.begin(), location.end())); }

}  // namespace

void ExternalFiles::allow_target_of(const fs::path& model) {
  std::error_code error;
  const fs::path target = fs::canonical(model, error);
  if (!error) folders_.push_back(target.parent_path());
}

fs::path ExternalFiles::resolve(const std::string& location) const {
  if (location.empty() || location.find('\0') != std::string::npos) broken("external data has no valid location");
  const fs::path relative = to_path(location);
  if (relative.has_root_path()) broken("external data location \"{}\" is not relative", location);
  std::error_code error;
  fs::path path = fs::canonical(folders_.front() / relative, error);
  if (error) broken("external data \"{}\": {}", location, error.message());
  for (const fs::path& folder : folders_) {
    const fs::path real = fs::canonical(folder, error);
    if (!error && is_inside(path, real)) return path;
  }
  broken("external data \"{}\" lies outside the model's folder", location);
}

ExternalFile& ExternalFiles::find(const std::string& location) {
  const auto found = files_.find(location);
  if (found != files_.end()) return found->second;
  ExternalFile file;
  file.path = resolve(location);
  std::error_code error;
  if (!fs::is_regular_file(file.path, error)) broken("external data \"{}\" is not a regular file", location);
  file.size = fs::file_size(file.path, error);
  if (error) broken("external data \"{}\": {}", location, error.message());
  return files_.emplace(location, std::move(file)).first->second;
}

std::span<const std::byte> ExternalFiles::map(ExternalFile& file) {
  if (file.mapped == nullptr) {
    file.mapped = MappedFile::open(file.path);
    // The file may have changed since it was looked up: from here on only the mapped size counts.
    file.size = file.mapped->bytes().size();
  }
  return file.mapped->bytes();
}

}  // namespace sluice::onnx
