// Activations and other functions of single elements that are programs of a few instructions rather than operators of
// the element machine.
#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementProgram;
using kernels::Tensor;
using enum kernels::ElementOp;

// One program over the node's first input, which `make` appends to; its last instruction is the result.
template <class Make>
void of_input(Lowering& l, const Node& node, Make make) {
  ElementNode problem{{l.elements(node, 0)}, {}, "elementwise/" + node.op_type};
  make(problem.program, ElementProgram::input(0));
  lower_program(l, node, std::move(problem));
}

// exp(a) - 1
ElementArg expm1(ElementProgram& p, ElementArg a) { return p.apply(kSub, p.apply(kExp, a), p.constant(1.0f)); }

ElementArg is_negative(ElementProgram& p, ElementArg x) { return p.apply(kLess, x, p.constant(0.0f)); }

}  // namespace

void lower_leaky_relu(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg scaled = p.apply(kMul, x, p.constant(node.f("alpha", 0.01f)));
    p.apply(kWhere, is_negative(p, x), scaled, x);
  });
}

void lower_prelu(Lowering& l, const Node& node) {
  ElementNode problem{{l.elements(node, 0), l.elements(node, 1)}, {}, "elementwise/PRelu"};
  ElementProgram& p = problem.program;
  const ElementArg x = ElementProgram::input(0);
  const ElementArg scaled = p.apply(kMul, x, ElementProgram::input(1));
  p.apply(kWhere, is_negative(p, x), scaled, x);
  lower_program(l, node, std::move(problem));
}

void lower_elu(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg low = p.apply(kMul, p.constant(node.f("alpha", 1)), expm1(p, x));
    p.apply(kWhere, is_negative(p, x), low, x);
  });
}

void lower_selu(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg low = p.apply(kMul, p.constant(node.f("alpha", 1.67326319217681884765625f)), expm1(p, x));
    const ElementArg y = p.apply(kWhere, is_negative(p, x), low, x);
    p.apply(kMul, p.constant(node.f("gamma", 1.05070102214813232421875f)), y);
  });
}

void lower_celu(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg alpha = p.constant(node.f("alpha", 1));
    const ElementArg low = p.apply(kMul, alpha, expm1(p, p.apply(kDiv, x, alpha)));
    p.apply(kWhere, is_negative(p, x), low, x);
  });
}

void lower_hard_sigmoid(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg scaled = p.apply(kMul, x, p.constant(node.f("alpha", 0.2f)));
    const ElementArg sum = p.apply(kAdd, scaled, p.constant(node.f("beta", 0.5f)));
    p.apply(kClip, sum, p.constant(0.0f), p.constant(1.0f));
  });
}

void lower_hard_swish(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg sum = p.apply(kAdd, p.apply(kMul, x, p.constant(1.0f / 6)), p.constant(0.5f));
    p.apply(kMul, x, p.apply(kClip, sum, p.constant(0.0f), p.constant(1.0f)));
  });
}

void lower_mish(Lowering& l, const Node& node) {
  // tanh(log(1 + e)) is n / (n + 2) for n = e * (e + 2), which loses nothing near 0; beyond 20 it is 1 in float32.
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg two = p.constant(2.0f), e = p.apply(kExp, p.apply(kMin, x, p.constant(20.0f)));
    const ElementArg n = p.apply(kMul, e, p.apply(kAdd, e, two));
    p.apply(kMul, x, p.apply(kDiv, n, p.apply(kAdd, n, two)));
  });
}

void lower_softsign(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    p.apply(kDiv, x, p.apply(kAdd, p.constant(1.0f), p.apply(kAbs, x)));
  });
}

void lower_thresholded_relu(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    p.apply(kWhere, p.apply(kGreater, x, p.constant(node.f("alpha", 1))), x, p.constant(0.0f));
  });
}

void lower_shrink(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const float lambda = node.f("lambd", 0.5f);
    const ElementArg bias = p.constant(node.f("bias", 0));
    const ElementArg high = p.apply(kGreater, x, p.constant(lambda));
    const ElementArg upper = p.apply(kWhere, high, p.apply(kSub, x, bias), p.constant(0.0f));
    const ElementArg low = p.apply(kLess, x, p.constant(-lambda));
    p.apply(kWhere, low, p.apply(kAdd, x, bias), upper);
  });
}

void lower_swish(Lowering& l, const Node& node) {
  of_input(l, node, [&](ElementProgram& p, ElementArg x) { p.apply(kQuickGelu, x, p.constant(node.f("alpha", 1))); });
}

// Of infinities, those of the signs that are asked for.
void lower_is_inf(Lowering& l, const Node& node) {
  const bool negative = node.i("detect_negative", 1) != 0, positive = node.i("detect_positive", 1) != 0;
  of_input(l, node, [&](ElementProgram& p, ElementArg x) {
    const ElementArg both = p.apply(kIsInf, x);
    if (negative && positive) return;
    const ElementArg sign = p.apply(negative ? kLess : kGreater, x, p.constant(0.0f));
    p.apply(kAnd, both, negative || positive ? sign : p.constant(false));
  });
}

void lower_bit_shift(Lowering& l, const Node& node) {
  lower_binary(l, node, node.s("direction", "") == "LEFT" ? kShiftLeft : kShiftRight);
}

// GELU of the sum of the input and an optional bias over its last dimension.
void lower_biased(Lowering& l, const Node& node, kernels::ElementOp op) {
  ElementNode problem{{l.elements(node, 0)}, {}, "elementwise/" + node.op_type};
  ElementArg x = ElementProgram::input(0);
  if (node.has(1)) {
    problem.operands.push_back(l.elements(node, 1));
    x = problem.program.apply(kAdd, x, ElementProgram::input(1));
  }
  problem.program.apply(op, x);
  lower_program(l, node, std::move(problem));
}

}  // namespace sluice::lower
