// What the process and its host tell: environment variables, the host's memory, the folder for caches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace sluice {

// Sets a variable unless it is set already. Call it before threads are started.
void set_environment_default(const char* name, const char* value);

// A variable that holds a number of bytes: "65536", "512MiB", "8GiB" (or KiB). Nothing if it is not set or empty.
// Throws Error naming the variable for anything else.
std::optional<uint64_t> bytes_from_environment(const char* name);

// Bytes of the host's physical memory, 0 if the system does not tell.
uint64_t host_memory();

// The folder that the system gives a user's programs for files that can be made again: XDG_CACHE_HOME or ~/.cache,
// ~/Library/Caches, LOCALAPPDATA. Empty if there is none.
std::filesystem::path cache_folder();

}  // namespace sluice
