// print_operators FILE writes docs/operators.md from the operator table; print_operators --check FILE fails if FILE is
// not what it would write.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "lower/op_table.h"
#include "operator_notes.h"

namespace {

using sluice::lower::OpRow;

constexpr std::string_view kHead = R"(# Operators

Written by `build/release/print_operators docs/operators.md` from the table in `src/lower/op_table.cpp`; a test compares the two.

A node is refused, by name, when the model is loaded: if its operator is not here, if the model imports another opset of its domain, or
if its element type is not listed. The types are those of the operand that gives the operator its type, mostly input 0; indices
are int64 or int32, shapes and axes int64. Integers of 64 bits are computed in 32: a number that does not fit is refused where it is written.
float16 is computed in float32 and rounded once.

)";

constexpr std::string_view kTail = R"(
No operator takes double, bfloat16, complex numbers or strings. Operators whose output's size follows from the data (NonZero, Compress, Unique)
are refused: every size is known before a model runs. So are operators on sequences, optionals and subgraphs (If, Loop, Scan).
)";

std::string_view note_of(std::string_view op_type) {
  for (const auto& note : sluice::tests::kNotes) {
    if (note.op_type == op_type) return note.text;
  }
  return "";
}

std::string table() {
  std::vector<OpRow> rows(sluice::lower::op_table().begin(), sluice::lower::op_table().end());
  std::stable_sort(rows.begin(), rows.end(), [](const OpRow& a, const OpRow& b) {
    return std::pair(a.domain, a.op_type) < std::pair(b.domain, b.op_type);
  });
  std::string text = "| operator | domain | opsets | element types | notes |\n| --- | --- | --- | --- | --- |\n";
  for (const OpRow& row : rows) {
    const bool standard = row.domain.empty();
    const std::string opsets = standard ? fmt::format("{}-{}", row.opsets.first, row.opsets.last) : std::string("1");
    text += fmt::format("| {} | {} | {} | {} | {} |\n", row.op_type, standard ? "ai.onnx" : row.domain, opsets,
                        to_string(row.types), note_of(row.op_type));
  }
  return text;
}

// Notes of operators that there are not.
int check_notes() {
  int unknown = 0;
  for (const auto& note : sluice::tests::kNotes) {
    const auto rows = sluice::lower::op_table();
    if (std::any_of(rows.begin(), rows.end(), [&](const OpRow& row) { return row.op_type == note.op_type; })) continue;
    fmt::print(stderr, "print_operators: operator_notes.h has a note on {}, which is not in the table\n", note.op_type);
    ++unknown;
  }
  return unknown;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool check = arguments.size() == 2 && arguments[0] == "--check";
  if (!check && arguments.size() != 1) {
    fmt::print(stderr, "usage: print_operators [--check] FILE\n");
    return 2;
  }
  if (check_notes() != 0) return 1;
  const std::string& file = arguments.back();
  const std::string text = std::string(kHead) + table() + std::string(kTail);
  if (!check) {
    std::ofstream stream(file, std::ios::binary);
    stream << text;
    return stream.good() ? 0 : 1;
  }
  std::ifstream stream(file, std::ios::binary);
  const std::string found((std::istreambuf_iterator<char>(stream)), {});
  if (found == text) return 0;
  fmt::print(stderr, "print_operators: {0} is out of date: run build/release/print_operators {0}\n", file);
  return 1;
}
