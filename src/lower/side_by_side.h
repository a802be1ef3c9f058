// Lets small dispatches that do not wait for each other run side by side in one (shader/side_by_side.h).
#pragma once

#include "lower/lowering.h"

namespace sluice::lower {

// A dispatch with a footprint joins an earlier one with a footprint if nothing from there on writes what it binds or
// reads what it writes, and if the device's workgroup memory and bindings suffice for both. What they compute does not
// change. The joined one is called by both their names.
void run_side_by_side(Lowered& lowered, const gpu::Caps& caps);

}  // namespace sluice::lower
