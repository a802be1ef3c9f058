// The condition of an #if: NAME, !NAME, NAME == VALUE or NAME != VALUE, joined by && and || (&& binds tighter; no
// parentheses).
#pragma once

#include <string>
#include <string_view>

#include "shader/shader.h"

namespace sluice::shader {

// Checks every name, also those that cannot change the result. `place` ("file:line") heads the message of the Error.
bool evaluate_condition(std::string_view expression, const Defines& defines, const std::string& place);

}  // namespace sluice::shader
