#include "api/profile.h"

#include <nlohmann/json.hpp>

#include "profile/json.h"
#include "profile/load.h"
#include "profile/summary.h"
#include "profile/write.h"
#include "runtime/bandwidth.h"

namespace sluice {

namespace {

std::vector<ProfileRow> rows_of(const profile::Phase& phase, profile::By by) {
  std::vector<ProfileRow> rows;
  for (profile::Row& row : profile::table(phase, by))
    rows.push_back({std::move(row.name), row.total, row.count, row.bytes});
  return rows;
}

}  // namespace

double api::read_limit(gpu::Device& device, const ProfileOptions& options) {
  if (!options.read_limit) return 0;
  try {
    return runtime::read_bandwidth(device);
  } catch (const Error&) {
    return 0;
  }
}

Profile::Profile(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Profile Profile::load(const std::filesystem::path& file, uint32_t first_run, uint32_t last_run) {
  return Profile(std::make_shared<const Impl>(Impl{profile::load(file, {first_run, last_run})}));
}

std::vector<ProfilePhaseResult> Profile::phases() const {
  std::vector<ProfilePhaseResult> results;
  for (const profile::Phase& phase : impl_->report.phases) {
    results.push_back({.name = phase.name,
                       .tokens = phase.tokens,
                       .usual = phase.timing.usual,
                       .gpu = phase.timing.gpu,
                       .dispatches = phase.total(),
                       .operators = rows_of(phase, profile::By::kOperator),
                       .kernels = rows_of(phase, profile::By::kKernel),
                       .devices = rows_of(phase, profile::By::kDevice)});
  }
  return results;
}

std::string Profile::text() const { return profile::to_text(impl_->report); }
std::string Profile::json() const { return profile::to_json(impl_->report).dump(1, '\t'); }
std::string Profile::csv() const { return profile::to_csv(impl_->report); }
std::string Profile::trace() const { return profile::to_trace(impl_->report); }
std::string Profile::html() const { return profile::to_html(impl_->report); }

std::string Profile::compare(const Profile& a, const Profile& b) {
  return profile::compare(a.impl_->report, b.impl_->report);
}

}  // namespace sluice
