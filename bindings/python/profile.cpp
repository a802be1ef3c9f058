// sluice._core.Profile, and how the two runners make one.
#include "sluice/profile.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sluice::python {

void bind_profile(nb::module_& module) {
  const nb::call_guard<nb::gil_scoped_release> released;
  nb::enum_<ProfilePhase>(module, "ProfilePhase")
      .value("prefill", ProfilePhase::kPrefill)
      .value("decode", ProfilePhase::kDecode)
      .value("both", ProfilePhase::kBoth);
  nb::class_<ProfileOptions>(module, "ProfileOptions")
      .def(nb::init<>())
      .def_rw("phase", &ProfileOptions::phase)
      .def_rw("tokens", &ProfileOptions::tokens)
      .def_rw("repeats", &ProfileOptions::repeats)
      .def_rw("read_limit", &ProfileOptions::read_limit);
  nb::class_<Profile>(module, "Profile")
      .def_static("load", &Profile::load, "file"_a, "first_run"_a, "last_run"_a, released)
      .def_static("compare", &Profile::compare, "a"_a, "b"_a, released)
      .def("text", &Profile::text, released)
      .def("json", &Profile::json, released)
      .def("csv", &Profile::csv, released)
      .def("trace", &Profile::trace, released)
      .def("html", &Profile::html, released);
}

}  // namespace sluice::python
