// Two reports side by side.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "profile/summary.h"
#include "profile/write.h"
#include "runtime/step_info.h"

namespace sluice::profile {

namespace {

struct Cost {
  double total = 0;
  uint64_t count = 0;  // of nodes
};

struct Line {
  std::string name;
  Cost a, b;
};

double per_run(double value, const Phase& phase) { return value / std::max(1u, phase.runs); }

size_t joined_nodes(const Phase& phase) {
  size_t count = 0;
  for (const Step& step : phase.steps) count += std::max<size_t>(step.sources.size(), 1) - 1;
  return count;
}

// Which operator of a phase does a node's work. Nodes are known by their names, which are the model's in all reports.
class Owners {
 public:
  explicit Owners(const Phase& phase) {
    for (const Step& step : phase.steps) {
      own_.emplace(step.op, step.node);
      by_node_.try_emplace(step.node, step.op);
    }
    for (const Step& step : phase.steps) {
      for (const std::string& source : step.sources) {
        if (const std::string name = runtime::split_label(source).name; !name.empty())
          by_node_.try_emplace(name, step.op);
      }
    }
  }

  // The step's own operator where the phase has that of this node, too, or does not know the node.
  const std::string& of(const Step& step) const {
    const auto found = by_node_.find(step.node);
    return found == by_node_.end() || own_.contains({step.op, step.node}) ? step.op : found->second;
  }

 private:
  std::set<std::pair<std::string, std::string>> own_;
  std::map<std::string, std::string> by_node_;
};

class Table {
 public:
  // Where one phase joined more nodes than the other, its operators are the rows: nodes that are single in the other
  // phase count where the joined ones do their work, so that both sides of a row are the same nodes.
  Table(const Phase& a, const Phase& b) : a_(a), b_(b), rows_of_a_(joined_nodes(a) >= joined_nodes(b)) {
    const Owners owners(rows_of_a_ ? a : b);
    add(a, &Line::a, owners);
    add(b, &Line::b, owners);
  }

  std::string text() const {
    std::string text = fmt::format("\n{} | {}\n", a_.name, b_.name);
    if (moved_ > 0) {
      const char *rows = rows_of_a_ ? "A" : "B", *other = rows_of_a_ ? "B" : "A";
      text +=
          fmt::format("  (rows: {0}'s operators; {2} of {1} count in the row of the one that does their work in {0})\n",
                      rows, other, moved_ == 1 ? "1 node" : fmt::format("{} nodes", moved_));
    }
    text += fmt::format("  {:<34} {:>12} {:>8} {:>12} {:>8} {:>9}\n", "operator", "A us/run", "nodes", "B us/run",
                        "nodes", "B/A");
    for (const Line& line : sorted()) {
      text += fmt::format("  {:<34} {} {} {:>9}\n", line.name, cell(line.a, a_), cell(line.b, b_),
                          ratio(per_run(line.a.total, a_), per_run(line.b.total, b_)));
    }
    text += sum("sum of all", all_time(a_), all_time(b_));
    if (a_.timing.usual > 0 && b_.timing.usual > 0)
      text += sum("a run, on the host's clock", a_.timing.usual, b_.timing.usual);
    return text;
  }

 private:
  void add(const Phase& phase, Cost Line::*side, const Owners& owners) {
    for (const Step& step : phase.steps) {
      if (step.runs.empty()) continue;
      const std::string& name = owners.of(step);
      add(name, side, {step.total(), step.first_of_node ? step.runs.size() : 0});
      if (name != step.op && step.first_of_node) ++moved_;
    }
    for (const Transfer& transfer : phase.transfers) {
      if (is_node(transfer)) add(transfer.direction, side, {transfer.time, 1});
    }
  }

  void add(const std::string& name, Cost Line::*side, const Cost& cost) {
    Line& line = lines_[name];
    line.name = name;
    (line.*side).total += cost.total;
    (line.*side).count += cost.count;
  }

  std::vector<Line> sorted() const {
    std::vector<Line> lines;
    for (const auto& [name, line] : lines_) lines.push_back(line);
    const auto most = [&](const Line& line) { return std::max(per_run(line.a.total, a_), per_run(line.b.total, b_)); };
    std::stable_sort(lines.begin(), lines.end(), [&](const Line& x, const Line& y) { return most(x) > most(y); });
    return lines;
  }

  static std::string cell(const Cost& cost, const Phase& phase) {
    if (cost.total == 0 && cost.count == 0) return fmt::format("{:>12} {:>8}", "-", "");
    return fmt::format("{:>12.2f} {:>8.1f}", per_run(cost.total, phase),
                       per_run(static_cast<double>(cost.count), phase));
  }

  static std::string ratio(double a, double b) { return a > 0 && b > 0 ? fmt::format("{:.2f}x", b / a) : "-"; }

  std::string sum(const char* what, double a, double b) const {
    return fmt::format("  {:<34} {:>12.2f} {:>8} {:>12.2f} {:>8} {:>9}\n", what, per_run(a, a_), "", per_run(b, b_), "",
                       ratio(per_run(a, a_), per_run(b, b_)));
  }

  const Phase &a_, &b_;
  const bool rows_of_a_;
  size_t moved_ = 0;
  std::map<std::string, Line> lines_;
};

const Phase* find_phase(const Report& report, const std::string& name) {
  const auto found =
      std::find_if(report.phases.begin(), report.phases.end(), [&](const Phase& phase) { return phase.name == name; });
  return found == report.phases.end() ? nullptr : &*found;
}

// The phase of the same name. One that stands alone, as ONNX Runtime's runs do, is taken for the decoding.
const Phase* partner(const Phase& phase, const Report& own, const Report& other) {
  if (const Phase* same = find_phase(other, phase.name)) return same;
  if (other.phases.size() == 1) return own.phases.size() == 1 || phase.name == "decode" ? &other.phases[0] : nullptr;
  return own.phases.size() == 1 ? find_phase(other, "decode") : nullptr;
}

std::string title(const char* letter, const Report& report) {
  return fmt::format("{}: {} ({}), {}, times by {}\n", letter, report.model, report.source, report.device,
                     report.clock);
}

}  // namespace

std::string compare(const Report& a, const Report& b) {
  std::string text = title("A", a) + title("B", b);
  if (a.clock != b.clock) {
    text += fmt::format(
        "  (A is timed by {}, B by {}: rows hold different things, above all where a provider works asynchronously; "
        "the last line of\n  a table does not, if runs of both end with their results)\n",
        a.clock, b.clock);
  }
  bool any = false;
  for (const Phase& phase : a.phases) {
    if (const Phase* other = partner(phase, a, b)) {
      text += Table(phase, *other).text();
      any = true;
    }
  }
  if (!any) fail("profile", "the two reports have no phase in common");
  return text;
}

}  // namespace sluice::profile
