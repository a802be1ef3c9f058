// sluice profile: where a run's time goes, and the same report of ONNX Runtime's profiles.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "commands.h"

namespace sluice::cli {

namespace {

struct ProfileArgs {
  ModelArgs model;
  std::optional<std::string> prompt;
  std::vector<uint32_t> prompt_ids;
  uint32_t prompt_tokens = 128;
  std::string phase = "both";
  ProfileOptions options;
  std::string ort, trace, html;
  std::vector<std::string> compared;
  std::pair<uint32_t, uint32_t> runs = {0, ~0u};
  bool json = false, csv = false;
};

const std::map<std::string, ProfilePhase> kPhases = {
    {"prefill", ProfilePhase::kPrefill}, {"decode", ProfilePhase::kDecode}, {"both", ProfilePhase::kBoth}};

void write_file(const std::string& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) throw Error("profile", fmt::format("{} cannot be written", file));
}

std::vector<uint32_t> prompt_of(const ProfileArgs& args, const TextModel& model) {
  if (args.prompt) return model.tokenize(*args.prompt);
  if (!args.prompt_ids.empty()) return args.prompt_ids;
  return made_up_ids(args.prompt_tokens, model.vocabulary());
}

Profile measure(const ProfileArgs& args) {
  TextModel model = TextModel::load(args.model.folder, args.model.load_options());
  ProfileOptions options = args.options;
  options.phase = kPhases.at(args.phase);
  return model.profile(prompt_of(args, model), options);
}

// Before anything is measured: minutes are too much for a name that is spelt wrong.
void check_folder(const std::string& file) {
  const std::filesystem::path path = file, folder = path.parent_path();
  if (!file.empty() &&
      (std::filesystem::is_directory(path) || (!folder.empty() && !std::filesystem::is_directory(folder))))
    throw Error("profile", fmt::format("{} cannot be written", file));
}

// The report first: a file that cannot be written does not cost what was measured.
void write(const ProfileArgs& args, const Profile& profile) {
  std::cout << (args.json ? profile.json() + "\n" : args.csv ? profile.csv() : profile.text()) << std::flush;
  if (!args.trace.empty()) write_file(args.trace, profile.trace());
  if (!args.html.empty()) write_file(args.html, profile.html());
}

void profile(const ProfileArgs& args) {
  for (const std::string& file : {args.trace, args.html}) check_folder(file);
  const auto load = [&](const std::string& file) { return Profile::load(file, args.runs.first, args.runs.second); };
  if (!args.compared.empty()) {
    const Profile before = load(args.compared[0]), after = load(args.compared[1]);
    std::cout << Profile::compare(before, after);
  } else {
    write(args, args.ort.empty() ? measure(args) : load(args.ort));
  }
}

void add_measuring(CLI::App& command, ProfileArgs& args) {
  args.model.add_to(command);
  CLI::Option* prompt = command.add_option("--prompt,-p", args.prompt, "Text to run before the tokens");
  CLI::Option* ids = command.add_option("--prompt-ids", args.prompt_ids, "Its token ids: 1,2,3")->delimiter(',');
  command.add_option("--prompt-tokens", args.prompt_tokens, "Length of a made-up prompt")
      ->check(CLI::Range(1u, 1u << 20))
      ->capture_default_str()
      ->excludes(prompt)
      ->excludes(ids);
  prompt->excludes(ids);
  command.add_option("--tokens,-n", args.options.tokens, "New tokens to measure")
      ->check(CLI::Range(1u, 100000u))
      ->capture_default_str();
  command.add_option("--phase", args.phase, "What to measure")
      ->check(CLI::IsMember({"prefill", "decode", "both"}))
      ->capture_default_str();
  command.add_option("--repeats,-r", args.options.repeats, "Rounds of each kind; the median one is reported")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command.add_flag_callback(
      "--no-read-limit", [&args] { args.options.read_limit = false; }, "Do not measure what the device can read");
}

void add_files(CLI::App& command, ProfileArgs& args) {
  CLI::Option* ort = command.add_option(
      "--ort", args.ort,
      "Report this profile of ONNX Runtime (end_profiling()), or a file of --json, instead of a run");
  command.add_option("--compare", args.compared, "Two profiles side by side: files of --json or of ONNX Runtime")
      ->expected(2)
      ->excludes(ort);
  command.add_option("--runs", args.runs, "Of ONNX Runtime's file: the first and last run to report, from 0")
      ->type_name("FIRST LAST");
}

void add_output(CLI::App& command, ProfileArgs& args) {
  CLI::Option* json = command.add_flag("--json", args.json, "Print everything as JSON, which --compare reads");
  command.add_flag("--csv", args.csv, "Print one line a step")->excludes(json);
  command.add_option("--trace", args.trace, "Write a trace for chrome://tracing and Perfetto to this file");
  command.add_option("--html", args.html, "Write a page with charts and tables to this file");
}

// What an option cannot act on it is refused with: a profile that is read is not run, a comparison is a text.
void add_exclusions(CLI::App& command) {
  CLI::Option* model = command.get_option("model")->required(false);
  for (const char* of_files : {"--ort", "--compare", "--runs"}) command.get_option(of_files)->excludes(model);
  for (const char* of_runs : {"--variant", "--chunk", "--prompt", "--prompt-ids", "--prompt-tokens", "--tokens",
                              "--phase", "--repeats", "--no-read-limit"})
    command.get_option(of_runs)->needs(model);
  for (const char* of_reports : {"--json", "--csv", "--trace", "--html"})
    command.get_option(of_reports)->excludes("--compare");
}

}  // namespace

void add_profile(CLI::App& app) {
  auto args = std::make_shared<ProfileArgs>();
  CLI::App* command = app.add_subcommand("profile", "Where a token's time goes: operators, transfers, slowest nodes");
  add_measuring(*command, *args);
  add_files(*command, *args);
  add_output(*command, *args);
  add_exclusions(*command);
  command->callback([args, command] {
    if (args->model.folder.empty() && args->ort.empty() && args->compared.empty())
      throw CLI::RequiredError(command->get_name() + ": a model, --ort or --compare");
    profile(*args);
  });
}

}  // namespace sluice::cli
