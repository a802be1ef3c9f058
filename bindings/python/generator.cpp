// sluice._core.TextModel and TokenStream. The interpreter's lock is released whenever the device may be waited for.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "sluice/text_model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sluice::python {

namespace {

using Ids = std::vector<uint32_t>;
using Messages = std::vector<std::pair<std::string, std::string>>;

// Ctrl-C and an exception of the callback end the loading.
std::function<void(uint64_t, uint64_t)> progress_of(const nb::object& callback) {
  return [callback](uint64_t done, uint64_t total) {
    const nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (!callback.is_none()) callback(done, total);
  };
}

struct Place {
  std::filesystem::path folder;
  std::string adapter, library, variant;
};

void load(TextModel* self, const Place& place, uint32_t chunk, const nb::object& progress) {
  LoadOptions options;
  options.device = {place.library, place.adapter};
  options.variant = place.variant;
  options.chunk = chunk;
  options.progress = progress_of(progress);
  const nb::gil_scoped_release release;
  new (self) TextModel(TextModel::load(place.folder, options));
}

nb::object next(TokenStream& stream) {
  std::optional<Token> token;
  {
    const nb::gil_scoped_release release;
    token = stream.next();
  }
  if (!token) return nb::none();
  return nb::make_tuple(token->id, token->text);
}

nb::object logits(TextModel& model, const Ids& prompt) {
  auto* values = new std::vector<float>;
  const nb::capsule owner(values, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  {
    const nb::gil_scoped_release release;
    *values = model.logits(prompt);
  }
  values->reserve(1);
  const size_t shape[] = {prompt.size(), model.vocabulary()};
  return nb::cast(nb::ndarray<nb::numpy, float>(values->data(), 2, shape, owner));
}

Profile profile(TextModel& model, const Ids& prompt, const ProfileOptions& options) {
  const nb::gil_scoped_release release;
  return model.profile(prompt, options);
}

std::string apply_chat_template(const TextModel& model, const Messages& messages) {
  std::vector<Message> conversation;
  for (const auto& [role, content] : messages) conversation.push_back({role, content});
  return model.apply_chat_template(conversation);
}

void bind_sampling(nb::module_& module) {
  nb::class_<SamplingOptions>(module, "SamplingOptions")
      .def(nb::init<>())
      .def_rw("max_tokens", &SamplingOptions::max_tokens)
      .def_rw("temperature", &SamplingOptions::temperature)
      .def_rw("top_k", &SamplingOptions::top_k)
      .def_rw("top_p", &SamplingOptions::top_p)
      .def_rw("min_p", &SamplingOptions::min_p)
      .def_rw("repetition_penalty", &SamplingOptions::repetition_penalty)
      .def_rw("presence_penalty", &SamplingOptions::presence_penalty)
      .def_rw("frequency_penalty", &SamplingOptions::frequency_penalty)
      .def_rw("seed", &SamplingOptions::seed)
      .def_rw("stop", &SamplingOptions::stop)
      .def_rw("ignore_stop_tokens", &SamplingOptions::ignore_stop_tokens);
}

void bind_results(nb::module_& module) {
  nb::enum_<FinishReason>(module, "FinishReason")
      .value("stop_token", FinishReason::kStopToken)
      .value("stop_string", FinishReason::kStopString)
      .value("length", FinishReason::kLength)
      .value("cancelled", FinishReason::kCancelled);
  nb::class_<Generation>(module, "GenerationResult")
      .def_ro("text", &Generation::text)
      .def_ro("ids", &Generation::ids)
      .def_ro("reason", &Generation::reason)
      .def_ro("prompt_tokens", &Generation::prompt_tokens)
      .def_ro("prompt_run", &Generation::prompt_run)
      .def_ro("prompt_seconds", &Generation::prompt_seconds)
      .def_ro("decode_seconds", &Generation::decode_seconds);
  nb::class_<TokenStream>(module, "TokenStream")
      .def("next", next)
      .def("cancel", &TokenStream::cancel)
      .def_prop_ro("result", &TokenStream::result, nb::rv_policy::copy);
}

}  // namespace

void bind_generator(nb::module_& module) {
  bind_sampling(module);
  bind_results(module);
  const auto open = [](TextModel* self, const std::filesystem::path& folder, const std::string& adapter,
                       const std::string& library, const std::string& variant, uint32_t chunk,
                       const nb::object& progress) {
    load(self, {folder, adapter, library, variant}, chunk, progress);
  };
  const auto start = [](TextModel& model, const Ids& prompt, const SamplingOptions& sampling) {
    const nb::gil_scoped_release release;
    return model.start(prompt, sampling);
  };
  nb::class_<TextModel>(module, "TextModel")
      .def("__init__", open, "folder"_a, "adapter"_a, "library"_a, "variant"_a, "chunk"_a, "progress"_a.none())
      .def_prop_ro("device", &TextModel::device)
      .def_prop_ro("vocabulary", &TextModel::vocabulary)
      .def_prop_ro("context_length", &TextModel::context_length)
      .def_prop_ro("load_seconds", &TextModel::load_seconds)
      .def_prop_ro("weight_bytes", &TextModel::weight_bytes)
      .def("defaults", &TextModel::defaults)
      .def("tokenize", &TextModel::tokenize, "text"_a, "add_special_tokens"_a)
      .def(
          "detokenize", [](const TextModel& model, const Ids& ids) { return model.detokenize(ids); }, "ids"_a)
      .def("apply_chat_template", apply_chat_template, "messages"_a)
      .def("start", start, "prompt"_a, "sampling"_a)
      .def("clear", &TextModel::clear, nb::call_guard<nb::gil_scoped_release>())
      .def("logits", logits, "prompt"_a)
      .def("profile", profile, "prompt"_a, "options"_a);
}

}  // namespace sluice::python
