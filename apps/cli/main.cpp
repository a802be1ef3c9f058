// The `sluice` command. Exit codes: 0 done, 1 an error of the model, the device or the input, 2 wrong usage.
#include <fmt/format.h>

#include <exception>

#include "commands.h"

namespace {

constexpr int kError = 1, kUsage = 2;

int run(int argc, char** argv) {
  CLI::App app("Runs Mixture-of-Experts language models stored as ONNX on any GPU, through WebGPU.", "sluice");
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  app.require_subcommand(0, 1);  // none is our own error below: CLI11 would hide a misspelt one behind it
  app.option_defaults()->always_capture_default(false);
  sluice::cli::add_run(app);
  sluice::cli::add_chat(app);
  sluice::cli::add_devices(app);
  sluice::cli::add_inspect(app);
  sluice::cli::add_bench(app);
  sluice::cli::add_profile(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty())
      throw CLI::RequiredError("A subcommand (run, chat, devices, inspect, bench or profile)");
    return 0;
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);  // prints help, version or the mistake
    return code == 0 ? 0 : kUsage;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sluice: {}\n", error.what());
    return kError;
  }
}
