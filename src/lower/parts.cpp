#include "lower/parts.h"

#include "kernels/common/parts.h"
#include "kernels/data/concat.h"
#include "kernels/data/slice.h"
#include "kernels/elementwise/elementwise.h"

namespace sluice::lower {

using kernels::Part;
using kernels::part_of;
using kernels::parts_of;
using kernels::Recorder;
using kernels::Storage;
using kernels::Tensor;

namespace {

void plan_add(const Tensor& a, const Tensor& b, const Tensor& y, Recorder& recorder) {
  kernels::ElementwiseProblem add{{a, b}, y, {}, "elementwise/Add"};
  add.program.apply(kernels::ElementOp::kAdd, kernels::ElementProgram::input(0), kernels::ElementProgram::input(1));
  kernels::plan_elementwise(add, recorder);
}

// Columns of y, computed part by part by `plan(part, target, residual)`. One row: parts of y are ranges of it. Several:
// each part is a tensor of its own, and the residual is added once they are joined.
template <class Plan>
void plan_columns(const std::vector<Part>& parts, const Tensor& y, const Tensor& residual, Recorder& recorder,
                  const Plan& plan) {
  const uint32_t columns = y.last(), rows = static_cast<uint32_t>(y.rows());
  if (rows == 1) {
    const auto row_part = [&](Tensor tensor, Part part) {
      if (tensor) tensor.shape = {columns};
      tensor = part_of(tensor, columns, part);
      if (tensor) tensor.shape = {1, part.count};
      return tensor;
    };
    for (const Part& part : parts) plan(part, row_part(y, part), row_part(residual, part));
    return;
  }
  const Storage storage = residual ? Storage::kF32 : y.storage;
  kernels::ConcatProblem joined{{}, residual ? recorder.scratch(storage, y.shape) : y, 1};
  joined.y.shape = {rows, columns};
  for (const Part& part : parts) {
    joined.inputs.push_back(recorder.scratch(storage, {rows, part.count}));
    plan(part, joined.inputs.back(), Tensor{});
  }
  kernels::plan_concat(joined, recorder);
  if (!residual) return;
  joined.y.shape = y.shape;
  Tensor addend = residual;
  addend.shape = y.shape;
  plan_add(joined.y, addend, y, recorder);
}

Tensor as_matrix(Tensor tensor) {
  tensor.shape = {static_cast<uint32_t>(tensor.rows()), tensor.last()};
  return tensor;
}

bool is_of_columns(const Tensor& c, uint32_t n) { return c.elements() == n && c.last() == n; }

// B (n, k): parts are columns of y.
void plan_columns_of(const kernels::MatMulProblem& p, const std::vector<Part>& parts, Recorder& recorder) {
  const uint32_t n = p.y.last();
  plan_columns(parts, as_matrix(p.y), {}, recorder, [&](Part part, const Tensor& y, const Tensor&) {
    kernels::MatMulProblem some = p;
    some.a = as_matrix(p.a);
    some.b = part_of(p.b, n, part);
    if (p.c && p.c.elements() != 1) {
      some.c.shape = {n};
      some.c = part_of(some.c, n, part);
    }
    some.y = y;
    kernels::plan_matmul(some, recorder);
  });
}

// Columns [part) of A (m, k), or rows of A (k, m).
Tensor inner_part(const kernels::MatMulProblem& p, uint32_t k, Part part, Recorder& recorder) {
  const Tensor a = as_matrix(p.a);
  if (p.trans_a) return part_of(a, k, part);
  Tensor y = recorder.scratch(a.storage, {a.shape[0], part.count});
  kernels::plan_slice({a, y, {0, static_cast<int32_t>(part.first)}, {1, 1}}, recorder);
  return y;
}

// B (k, n): parts are summands of y.
void plan_summands_of(const kernels::MatMulProblem& p, const std::vector<Part>& parts, Recorder& recorder) {
  const Tensor y = as_matrix(p.y);
  kernels::MatMulProblem some = p;
  for (const Part& part : parts) {
    some.a = inner_part(p, p.b.shape[0], part, recorder);
    some.b = part_of(p.b, p.b.shape[0], part);
    const bool last = part.first + part.count == p.b.shape[0];
    some.y = last ? y : recorder.scratch(Storage::kF32, y.shape);
    kernels::plan_matmul(some, recorder);
    some.c = some.y;
    some.beta = 1;
  }
}

bool has_one_matrix(const kernels::MatMulProblem& p) {
  return p.b.rank() == 2 && p.a.rank() >= 2 && (p.a.rank() == 2 || (!p.trans_a && !p.c));
}

}  // namespace

void plan_in_parts(const kernels::MatMulNBitsProblem& p, Recorder& recorder) {
  const auto parts =
      parts_of(p.n, {&p.b, &p.scales, &p.zero_points}, recorder.caps(), recorder.caps().storage_alignment);
  if (parts.size() == 1 || p.y.elements() == 0) return kernels::plan_matmul_nbits(p, recorder);
  plan_columns(parts, p.y, p.residual, recorder, [&](Part part, const Tensor& y, const Tensor& residual) {
    kernels::MatMulNBitsProblem some = p;
    some.a = as_matrix(p.a);
    some.b = part_of(p.b, p.n, part);
    some.scales = part_of(p.scales, p.n, part);
    some.zero_points = part_of(p.zero_points, p.n, part);
    some.bias = part_of(p.bias, p.n, part);
    some.residual = residual;
    some.y = y;
    some.n = part.count;
    kernels::plan_matmul_nbits(some, recorder);
  });
}

void plan_in_parts(const kernels::MatMulProblem& p, Recorder& recorder) {
  if (!has_one_matrix(p) || p.y.elements() == 0 || p.b.elements() == 0) return kernels::plan_matmul(p, recorder);
  const gpu::Caps& caps = recorder.caps();
  const Tensor none;
  const auto parts = p.trans_b ? parts_of(p.b.shape[0], {&p.b}, caps, caps.storage_alignment)
                               : parts_of(p.b.shape[0], {&p.b, p.trans_a ? &p.a : &none}, caps);
  const bool sliced = !p.c || p.c.elements() == 1 || is_of_columns(p.c, p.y.last());
  const bool whole = p.trans_b ? !sliced : static_cast<bool>(p.norm_weight);  // a norm needs its row as a whole
  if (parts.size() == 1 || whole) return kernels::plan_matmul(p, recorder);
  p.trans_b ? plan_columns_of(p, parts, recorder) : plan_summands_of(p, parts, recorder);
}

void plan_in_parts(const kernels::GatherProblem& p, Recorder& recorder) {
  if (p.axis != 0 || p.data.rank() == 0) return kernels::plan_gather(p, recorder);
  const uint32_t rows = p.data.shape[0];
  for (const Part& part : parts_of(rows, {&p.data}, recorder.caps(), recorder.caps().storage_alignment)) {
    kernels::GatherProblem some = p;
    some.data = part_of(p.data, rows, part);
    some.first = part.first;
    some.whole = rows;
    kernels::plan_gather(some, recorder);
  }
}

void plan_in_parts(const kernels::GatherBlockQuantizedProblem& p, Recorder& recorder) {
  if (p.data.rank() == 0) return kernels::plan_gather_block_quantized(p, recorder);
  const uint32_t rows = p.data.shape[0];
  for (const Part& part :
       parts_of(rows, {&p.data, &p.scales, &p.zero_points}, recorder.caps(), recorder.caps().storage_alignment)) {
    kernels::GatherBlockQuantizedProblem some = p;
    some.data = part_of(p.data, rows, part);
    some.scales = part_of(p.scales, rows, part);
    some.zero_points = part_of(p.zero_points, rows, part);
    some.first = part.first;
    some.whole = rows;
    kernels::plan_gather_block_quantized(some, recorder);
  }
}

}  // namespace sluice::lower
