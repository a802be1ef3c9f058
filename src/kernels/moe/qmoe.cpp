#include "kernels/moe/qmoe.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "qmoe";
constexpr uint32_t kMaxExperts = 1024;  // their keys lie in workgroup memory

void check_float(const Tensor& tensor, const std::string& what) {
  if (!is_float(tensor.storage)) fail(kTag, "{} must be f32 or f16, got {}", what, wgsl_type(tensor.storage));
}

void check_count(const Tensor& tensor, uint64_t count, const std::string& what) {
  if (tensor.elements() != count) fail(kTag, "{} must hold {} elements, got {}", what, count, tensor.elements());
}

void check_attributes(const QMoEProblem& p) {
  if (p.use_sparse_mixer && p.k != 2) fail(kTag, "use_sparse_mixer needs k = 2, got {}", p.k);
  if (p.use_sparse_mixer && p.router_weights) fail(kTag, "use_sparse_mixer excludes router_weights");
  if (p.bits != 0 && p.bits != 2 && p.bits != 4 && p.bits != 8)
    fail(kTag, "expert_weight_bits must be 2, 4 or 8, got {}", p.bits);
  if (p.block_size != 0 && (p.block_size < 16 || !std::has_single_bit(p.block_size))) {
    fail(kTag, "block_size must be 0 or a power of two from 16 on, got {}", p.block_size);
  }
  if (p.bits == 0 && p.block_size != 0) fail(kTag, "block_size {} needs quantised weights", p.block_size);
  if (!std::isfinite(p.scale)) fail(kTag, "the scale of the output must be finite, got {}", p.scale);
  if (!(p.swiglu_limit >= 0)) fail(kTag, "swiglu_limit must not be negative or NaN, got {}", p.swiglu_limit);
  if (p.swiglu_fusion > 2) fail(kTag, "swiglu_fusion must be 0, 1 or 2, got {}", p.swiglu_fusion);
  const bool swiglu = p.activation == MoeActivation::kSwiglu;
  if (!swiglu && p.swiglu_fusion != 0) fail(kTag, "swiglu_fusion {} needs the activation swiglu", p.swiglu_fusion);
  if (p.swiglu_fusion != 0 && p.fc3.weights) fail(kTag, "swiglu_fusion {} excludes fc3", p.swiglu_fusion);
  if (swiglu && p.swiglu_fusion == 0 && !p.fc3.weights) fail(kTag, "swiglu with swiglu_fusion 0 needs fc3");
}

void check_quantisation(const QMoEProblem& p, const QMoEProblem::Expert& e, const std::string& name, uint64_t rows,
                        uint32_t columns) {
  if (!e.scales) fail(kTag, "{}_scales is missing", name);
  if (p.block_size != 0 && columns % p.block_size != 0) {
    fail(kTag, "block_size {} must divide the row length {} of {}", p.block_size, columns, name);
  }
  const uint64_t experts = p.router.last();
  const uint64_t blocks = p.block_size == 0 ? 1 : columns / p.block_size;
  check_float(e.scales, name + "_scales");
  check_count(e.scales, experts * rows * blocks, name + "_scales");
  if (!e.zero_points) return;
  if (e.zero_points.storage != Storage::kBytes) fail(kTag, "{}_zero_points must be uint8", name);
  const uint64_t bytes = p.block_size == 0 ? ceil_div64(rows * p.bits, 8) : rows * ceil_div64(blocks * p.bits, 8);
  check_count(e.zero_points, experts * bytes, name + "_zero_points");
}

void check_expert(const QMoEProblem& p, const QMoEProblem::Expert& e, const std::string& name, uint64_t rows,
                  uint32_t columns) {
  const uint64_t experts = p.router.last();
  if (p.bits == 0) {
    check_float(e.weights, name + "_experts_weights");
    check_count(e.weights, experts * rows * columns, name + "_experts_weights");
    if (e.scales || e.zero_points) fail(kTag, "{} has scales or zero points, but its weights are floats", name);
  } else {
    if (e.weights.storage != Storage::kBytes) fail(kTag, "{}_experts_weights must be uint8", name);
    check_count(e.weights, experts * rows * ceil_div64(uint64_t{columns} * p.bits, 8), name + "_experts_weights");
    check_quantisation(p, e, name, rows, columns);
  }
  if (!e.bias) return;
  check_float(e.bias, name + "_experts_bias");
  check_count(e.bias, experts * rows, name + "_experts_bias");
}

void check_sigmoid(const QMoEProblem& p, const QMoESizes& s) {
  const SigmoidRouter& r = p.sigmoid;
  if (p.router_weights || p.use_sparse_mixer)
    fail(kTag, "a sigmoid router excludes router_weights and use_sparse_mixer");
  if (!is_float(r.rounding)) fail(kTag, "a sigmoid router's scores are f32 or f16, got {}", wgsl_type(r.rounding));
  if (!(r.least >= 0) || !(r.epsilon >= 0) || !std::isfinite(r.least + r.epsilon)) {
    fail(kTag, "a sigmoid router's least score and epsilon must not be negative, got {} and {}", r.least, r.epsilon);
  }
  if (!r.bias) return;
  check_count(r.bias, s.experts, "the selection bias");
  if (r.bias.storage != r.rounding) {
    fail(kTag, "the selection bias must be {} as the scores, got {}", wgsl_type(r.rounding), wgsl_type(r.bias.storage));
  }
}

void check_norm(const QMoEProblem& p, const QMoESizes& s) {
  check_float(p.norm_weight, "the norm weight");
  check_count(p.norm_weight, s.hidden, "the norm weight");
  if (s.tokens != 1) fail(kTag, "the norm is for 1 token, got {}", s.tokens);
}

QMoESizes check_tensors(const QMoEProblem& p) {
  QMoESizes s;
  check_float(p.input, "input");
  check_float(p.router, "router_probs");
  check_float(p.y, "output");
  if (p.input.rows() > std::numeric_limits<uint32_t>::max() / 4) fail(kTag, "input has {} rows", p.input.rows());
  s.hidden = p.input.last();
  s.tokens = static_cast<uint32_t>(p.input.rows());
  s.experts = p.router.last();
  s.fused = p.swiglu_fusion;
  if (s.hidden == 0 || s.experts == 0) fail(kTag, "the hidden size and the number of experts must be positive");
  if (s.experts > kMaxExperts) fail(kTag, "up to {} experts are supported, got {}", kMaxExperts, s.experts);
  if (p.k == 0 || p.k > s.experts) fail(kTag, "k must be 1 to the number of experts {}, got {}", s.experts, p.k);
  check_count(p.router, uint64_t{s.tokens} * s.experts, "router_probs");
  check_count(p.y, p.input.elements(), "output");
  if (p.fc1.weights.rank() != 3) fail(kTag, "fc1_experts_weights must have 3 dimensions, got {}", p.fc1.weights.rank());
  const uint32_t halves = s.fused != 0 ? 2 : 1;
  if (p.fc1.weights.shape[1] == 0 || p.fc1.weights.shape[1] % halves != 0) {
    fail(kTag, "fc1_experts_weights must have a positive multiple of {} rows, got {}", halves, p.fc1.weights.shape[1]);
  }
  s.inner = p.fc1.weights.shape[1] / halves;
  check_expert(p, p.fc1, "fc1", uint64_t{halves} * s.inner, s.hidden);
  check_expert(p, p.fc2, "fc2", s.hidden, s.inner);
  if (p.fc3.weights) check_expert(p, p.fc3, "fc3", s.inner, s.hidden);
  if (p.router_weights) {
    check_float(p.router_weights, "router_weights");
    check_count(p.router_weights, p.router.elements(), "router_weights");
  }
  if (p.norm_weight) check_norm(p, s);
  if (p.sigmoid.used) check_sigmoid(p, s);
  if (p.residual) {
    check_float(p.residual, "the residual");
    check_count(p.residual, p.y.elements(), "the residual");
    if (p.residual.slot == p.y.slot) fail(kTag, "the residual must not share the buffer of the output");
  }
  return s;
}

uint32_t mix_kind(const QMoEProblem& p) {
  if (p.sigmoid.used) return 5;
  if (p.use_sparse_mixer) return 4;
  if (p.router_weights) return p.normalize_routing_weights ? 3 : 2;
  return p.bits == 0 && !p.normalize_routing_weights ? 1 : 0;
}

std::vector<Part> expert_parts(const QMoEProblem& p, const QMoESizes& s, const gpu::Caps& caps) {
  return parts_of(s.experts,
                  {&p.fc1.weights, &p.fc1.scales, &p.fc1.bias, &p.fc1.zero_points, &p.fc2.weights, &p.fc2.scales,
                   &p.fc2.bias, &p.fc2.zero_points, &p.fc3.weights, &p.fc3.scales, &p.fc3.bias, &p.fc3.zero_points},
                  caps);
}

uint64_t bytes_of(const Tensor& tensor) { return storage_bytes(tensor.storage, tensor.elements()); }

// Of the experts' tensors at most k for each token are read.
void note_reads(const QMoEProblem& p, const QMoESizes& s, std::span<Dispatch> dispatches) {
  std::map<Slot, uint64_t> bytes;
  const uint64_t chosen = std::min<uint64_t>(s.experts, uint64_t{s.tokens} * p.k);
  for (const QMoEProblem::Expert* e : {&p.fc1, &p.fc2, &p.fc3}) {
    for (const Tensor* t : {&e->weights, &e->scales, &e->bias, &e->zero_points}) {
      if (*t) bytes[t->slot] = bytes_of(*t) * chosen / s.experts;
    }
  }
  for (Dispatch& dispatch : dispatches) {
    for (Operand& operand : dispatch.operands) {
      if (const auto found = bytes.find(operand.slot); found != bytes.end()) operand.touched = found->second;
    }
  }
}

}  // namespace

NBitsWeights expert_weights(const QMoEProblem& p, const QMoEProblem::Expert& e, uint32_t rows, uint32_t k) {
  return {e.weights, e.scales, e.zero_points, e.bias, rows, k, p.bits, p.block_size, p.block_size == 0};
}

NBitsWeights down_weights(const QMoEProblem& p, const QMoESizes& s) {
  return expert_weights(p, p.fc2, s.hidden, s.inner);
}

uint32_t head_words(const QMoEProblem& p, const QMoESizes& s) { return ceil_div(2 * s.tokens * p.k, 4) * 4; }

uint32_t selection_bytes(const QMoESizes& s) { return 8 * std::max(32u, std::bit_ceil(s.experts)); }

QMoEParams qmoe_params(const QMoEProblem& p, const QMoESizes& s, const NBitsWeights& weights) {
  const NBitsLayout layout = nbits_layout(weights);
  // The shader's min and clamp need a finite number.
  const float limit = std::min(p.swiglu_limit, std::numeric_limits<float>::max());
  return {s.tokens,
          0,
          s.experts,
          p.k,
          s.inner,
          s.hidden,
          weights.rows,
          weights.k,
          layout.row_pitch,
          layout.blocks,
          layout.zero_pitch,
          0,
          0,
          p.activation_alpha,
          p.activation_beta,
          limit,
          0,
          p.norm_epsilon,
          p.scale,
          std::max(std::log(p.sigmoid.least), -std::numeric_limits<float>::max()),
          p.sigmoid.epsilon,
          {}};
}

void append_activation_defines(const QMoEProblem& p, uint32_t fused, QMoEStage stage, Defines& defines) {
  const bool paired = fused != 0 || stage == QMoEStage::kActivateTimesPlain;
  defines.insert(defines.end(), {{"ACT", static_cast<uint32_t>(p.activation)},
                                 {"PAIRED", paired ? 1u : 0u},
                                 {"FUSED", fused},
                                 {"STAGE", static_cast<uint32_t>(stage)}});
}

void append_selection_defines(const QMoEProblem& p, const QMoESizes& s, uint32_t split, Defines& defines) {
  defines.insert(defines.end(), {{"SPLIT", split},
                                 {"Q", wgsl_type(p.router.storage)},
                                 {"M", p.router_weights ? wgsl_type(p.router_weights.storage) : "f32"},
                                 {"C", wgsl_type(p.sigmoid.rounding)},
                                 {"HAS_CHOICE_BIAS", p.sigmoid.bias ? 1u : 0u},
                                 {"MIX", mix_kind(p)},
                                 {"LEAST_WEIGHT_BITS", std::bit_cast<uint32_t>(p.bits == 0 ? 0.0f : 1e-8f)},
                                 {"EXPERTS", std::max(32u, std::bit_ceil(s.experts))}});
}

void append_selection_operands(const QMoEProblem& p, size_t free, Dispatch& d) {
  const auto bind = [&](const char* name, const Tensor& tensor) {
    const size_t at = tensor && free != 0 ? std::exchange(free, 0) : d.operands.size();
    d.shader.defines.emplace_back(name, static_cast<uint32_t>(at));
    if (!tensor) return;
    if (at == d.operands.size()) d.operands.emplace_back();
    d.operands[at] = in(tensor);
  };
  bind("AT_ROUTER_WEIGHTS", p.router_weights);
  bind("AT_CHOICE_BIAS", p.sigmoid.bias);
  bind("AT_GAMMA", p.norm_weight);
}

void append_row_defines(const Tensor& x, const NBitsWeights& weights, Defines& defines) {
  defines.insert(defines.end(), {{"X", wgsl_type(x.storage)},
                                 {"X_ACCESS", activation_access(weights.k, nbits_layout(weights))},
                                 {"HAS_BIAS", weights.bias ? 1u : 0u}});
  append_nbits_defines(weights, defines);
}

Dispatch down_dispatch(const QMoEProblem& p, const QMoESizes& s, const Tensor& inner) {
  const NBitsWeights weights = down_weights(p, s);
  Dispatch d;
  d.shader.defines = {{"Y", wgsl_type(p.y.storage)},
                      {"R", p.residual ? wgsl_type(p.residual.storage) : "f32"},
                      {"HAS_RESIDUAL", p.residual ? 1u : 0u},
                      {"HAS_BIAS", weights.bias ? 1u : 0u}};
  append_nbits_defines(weights, d.shader.defines);
  d.operands = {in(inner)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(p.residual ? p.residual : inner));
  d.operands.push_back(out(p.y));
  return d;
}

// Tokens up to which kernels that take each token's experts for it alone beat those that sort tokens by expert and
// multiply in tiles, which are half empty then: so many rows an expert, as measured on an NVIDIA H200 over the layers
// of gpt-oss, LFM2, Qwen3 and Trinity.
static uint64_t few_tokens(const QMoEProblem& p, const QMoESizes& sizes, bool fixed, const gpu::Caps& caps) {
  constexpr uint64_t kLeast = 8;
  if (!fixed) return kLeast;
  const uint64_t rows = takes_matrices(p, caps) ? 6 : 16;
  return std::max(kLeast, rows * sizes.experts / p.k);
}

static void plan_kernels(const QMoEProblem& p, const QMoESizes& sizes, Recorder& recorder) {
  const bool fixed = takes_fixed(p, sizes, recorder.caps());
  const bool few = p.variant == QMoEVariant::kAuto ? sizes.tokens <= few_tokens(p, sizes, fixed, recorder.caps())
                                                   : p.variant == QMoEVariant::kDecode;
  if (!few) return plan_qmoe_prefill(p, sizes, recorder);
  fixed ? plan_qmoe_fixed(p, sizes, recorder) : plan_qmoe_decode(p, sizes, recorder);
}

void plan_qmoe(const QMoEProblem& p, Recorder& recorder) {
  check_attributes(p);
  const QMoESizes sizes = check_tensors(p);
  if (sizes.tokens == 0) return;
  if (const auto parts = expert_parts(p, sizes, recorder.caps()); parts.size() > 1)
    return plan_qmoe_in_parts(p, sizes, parts, recorder);
  const size_t first = recorder.dispatches().size();
  plan_kernels(p, sizes, recorder);
  note_reads(p, sizes, std::span(recorder.dispatches()).subspan(first));
}

}  // namespace sluice::kernels
