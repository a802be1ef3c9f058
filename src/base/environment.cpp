#include "base/environment.h"

#include <cstdlib>

namespace sluice {

#ifdef _WIN32
void set_environment_default(const char* name, const char* value) {
  if (std::getenv(name) == nullptr) _putenv_s(name, value);
}
#else
void set_environment_default(const char* name, const char* value) { setenv(name, value, 0); }
#endif

}  // namespace sluice
