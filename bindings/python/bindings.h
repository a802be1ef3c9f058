// The parts of the module sluice._core. What users see is in sluice/__init__.py; this is the plain layer below it.
#pragma once

#include <nanobind/nanobind.h>

namespace sluice::python {

void bind_session(nanobind::module_& module);
void bind_generator(nanobind::module_& module);
void bind_profile(nanobind::module_& module);

}  // namespace sluice::python
