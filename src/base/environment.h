// Environment variables of our own process.
#pragma once

namespace sluice {

// Sets a variable unless it is set already. Call it before threads are started.
void set_environment_default(const char* name, const char* value);

}  // namespace sluice
