// Joins the routers that choose experts by sigmoid scores into the operator that mixes the experts.
//
// QMoE knows the softmax of logits only. Models whose scores are sigmoids (AfMoE, LFM2-MoE and others of DeepSeek's
// kind) are exported with a chain of nodes before it, which gives it the logarithms of the chosen scores and numbers so
// low that nothing else is chosen:
//
//   scores = Sigmoid(logits), or Reciprocal(Exp(-logits) + 1)
//   indices = TopK(scores + bias)[1], or of the scores alone
//   logs = -Softplus(-GatherElements(logits, indices)), or Log(GatherElements(scores, indices)), with or without a Clip
//   router_probs = ScatterElements(a tensor of one low number, indices, logs)
//
// and with Reshape and Cast in between; and behind it with a Mul by one number, or by total / (total + epsilon), where
// total is the ReduceSum of the chosen scores. The joined node is "sluice" QMoE (see fuse.h) with `logits` as its input
// 1 and the attributes
//   output_scale     the number that its output was multiplied by
//   sigmoid_router   1: it makes its choice as above by itself (kernels/moe/qmoe.h), with
//   score_type       the element type of the scores; input 17 is their bias (E)
//   least_score      the Clip's
//   score_epsilon    the epsilon of the Mul behind
#pragma once

#include "graph/graph.h"

namespace sluice::graph {

// What others read of such a chain stays. The low number must be -1000 or less, so that the logarithms are above it. To
// be run after infer() and remove_dead_nodes(), and before fuse().
void fuse_routers(Graph& graph);

}  // namespace sluice::graph
