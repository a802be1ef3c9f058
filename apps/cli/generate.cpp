// sluice run: one prompt, one answer.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "npy.h"
#include "terminal.h"

namespace sluice::cli {

namespace {

struct RunArgs {
  ModelArgs model;
  SamplingArgs sampling;
  std::optional<std::string> prompt;
  std::vector<uint32_t> prompt_ids;
  std::string output = "text";
  std::string logits;
};

const char* name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

void print_json(const Generation& g, const std::vector<uint32_t>& prompt, const TextModel& model) {
  const nlohmann::ordered_json json = {{"text", g.text},
                                       {"ids", g.ids},
                                       {"finish_reason", name(g.reason)},
                                       {"prompt_ids", prompt},
                                       {"prompt_tokens", g.prompt_tokens},
                                       {"new_tokens", g.ids.size()},
                                       {"load_seconds", model.load_seconds()},
                                       {"load", load_json(model.load_times())},
                                       {"memory", memory_json(model.memory())},
                                       {"prompt_seconds", g.prompt_seconds},
                                       {"decode_seconds", g.decode_seconds},
                                       {"device", model.device().name}};
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_logits(const RunArgs& args, TextModel& model, const std::vector<uint32_t>& prompt) {
  write_npy(args.logits, model.logits(prompt), prompt.size(), model.vocabulary());
}

void run(const RunArgs& args) {
  TextModel model = TextModel::load(args.model.folder, args.model.load_options());
  const std::vector<uint32_t> prompt = args.prompt ? model.tokenize(*args.prompt) : args.prompt_ids;
  if (!args.logits.empty()) write_logits(args, model, prompt);
  const SamplingOptions sampling = args.sampling.apply_to(model.defaults());
  const Interrupt interrupt;
  const Generation g = model.generate(prompt, sampling, [&](std::string_view text, std::optional<uint32_t> id) {
    if (args.output == "text") {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    } else if (args.output == "ids" && id) {
      std::cout << *id << "\n" << std::flush;
    }
    return !Interrupt::requested();
  });
  if (args.output == "text" && sampling.max_tokens != 0) std::cout << "\n";
  if (args.output == "json") print_json(g, prompt, model);
  std::cout << std::flush;
  if (!args.model.quiet) print_summary(model, g);
}

}  // namespace

void add_run(CLI::App& app) {
  auto args = std::make_shared<RunArgs>();
  CLI::App* command = app.add_subcommand("run", "Continue a prompt");
  args->model.add_to(*command);
  auto* prompt = command->add_option("--prompt,-p", args->prompt, "Text to continue");
  auto* ids = command->add_option("--prompt-ids", args->prompt_ids, "Token ids to continue: 1,2,3")->delimiter(',');
  prompt->excludes(ids);
  args->sampling.add_to(*command);
  command->add_option("--output", args->output, "text as it is written, ids one a line, or json at the end")
      ->check(CLI::IsMember({"text", "ids", "json"}))
      ->capture_default_str();
  command->add_option("--logits", args->logits,
                      "Write the prompt's logits, float32 (tokens, vocabulary), to this .npy file");
  command->callback([args, prompt, ids] {
    if (prompt->empty() && ids->empty()) throw CLI::RequiredError("--prompt or --prompt-ids");
    run(*args);
  });
}

}  // namespace sluice::cli
