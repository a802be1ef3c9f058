// sluice chat: a conversation on the terminal, or line by line from standard input.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "terminal.h"

namespace sluice::cli {

namespace {

struct ChatArgs {
  ModelArgs model;
  SamplingArgs sampling;
  std::string system;
};

// Answers the conversation; the earlier turns are in the cache already, so only the new one is run.
Generation answer(TextModel& model, const std::vector<Message>& messages, const SamplingOptions& sampling) {
  const std::vector<uint32_t> prompt = model.tokenize(model.apply_chat_template(messages), false);
  Interrupt::clear();
  Generation g = model.generate(prompt, sampling, [](std::string_view text, std::optional<uint32_t>) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    return !Interrupt::requested();
  });
  std::cout << std::endl;
  return g;
}

void chat(const ChatArgs& args) {
  TextModel model = TextModel::load(args.model.folder, args.model.load_options());
  const SamplingOptions sampling = args.sampling.apply_to(model.defaults());
  std::vector<Message> messages;
  if (!args.system.empty()) messages.push_back({"system", args.system});
  const bool interactive = is_terminal_input();
  if (interactive)
    fmt::print(stderr, "{} on {}. An empty line or Ctrl-D ends the conversation.\n", args.model.folder,
               model.device().name);
  const Interrupt interrupt;
  for (std::string line;;) {
    if (interactive) std::cout << "> " << std::flush;
    if (!std::getline(std::cin, line) || line.empty()) break;
    messages.push_back({"user", line});
    const Generation g = answer(model, messages, sampling);
    messages.push_back({"assistant", g.text});
    if (!args.model.quiet) print_summary(model, g);
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  auto args = std::make_shared<ChatArgs>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a model, by its own chat template");
  args->model.add_to(*command);
  command->add_option("--system", args->system, "System message");
  args->sampling.add_to(*command);
  command->callback([args] { chat(*args); });
}

}  // namespace sluice::cli
