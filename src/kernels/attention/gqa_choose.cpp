// Chooses how attention is computed.
//
// A KV head's query rows are (new token, head of its group). Up to 64 of them go to the decode kernel, which is built
// for memory bandwidth: blocks of at most 4 rows share every key and value read. More go to the prefill kernel, which
// is built for arithmetic: tiles of 64 rows by 32 keys, by subgroup matrices where the model computes in float16 and
// the device has them. Both cut the keys into splits where the blocks alone would leave the device idle; the number of
// splits follows from the capacity, the length of each from the sequence length that the GPU reads. A third kernel
// joins them.
//
// One new token whose keys are few needs no splits, but as many workgroups as there are query heads: then keys and
// values are read several times, by workgroups that find them in the cache.
#include <algorithm>
#include <bit>

#include "kernels/attention/gqa_plan.h"
#include "kernels/common/matrices.h"

namespace sluice::kernels::gqa {
namespace {

constexpr uint32_t kDecodeRows = 64;        // at most, for the decode kernel
constexpr uint32_t kBlockRows = 4;          // of the decode kernel, at most
constexpr uint32_t kTeamKeys = 4;           // that a team of the decode kernel takes at a time
constexpr uint32_t kUnsplitTiles = 4;       // at most, that a workgroup takes in less time than joining splits
constexpr uint32_t kUnsplitTilesOfOne = 8;  // the same for one new token, with fewer rows to join
constexpr uint32_t kFewGroups = 128;        // workgroups without splits that hide the latency of memory
constexpr uint32_t kGroups = 256;           // workgroups that fill a large GPU
constexpr uint32_t kMostGroups = 768;       // the same where each waits for its arithmetic
constexpr uint32_t kMaxSplits = 64;         // joining more costs more than it saves
constexpr uint32_t kPrefillRows = 64, kPrefillKeys = 32;
constexpr uint32_t kMatrix = 16;      // rows of a subgroup matrix, as many as a subgroup takes
constexpr uint32_t kMatrixTiles = 4;  // of a split at least with matrices: joining must save the time of some

// Keys that a block of rows is expected to see at most.
uint64_t most_keys(const GroupQueryAttentionProblem& p, const Sizes& s, uint32_t rows) {
  const uint32_t length = p.expected_keys > 0 ? std::min(p.expected_keys, s.capacity) : s.capacity;
  if (p.local_window_size <= 0) return length;
  return std::min<uint64_t>(length, static_cast<uint64_t>(p.local_window_size) + ceil_div64(rows, s.group));
}

uint64_t blocks_of(const Sizes& s, uint32_t rows) {
  return ceil_div64(uint64_t{s.seq} * s.group, rows) * s.batch * s.kv_heads;
}

// What a device can bind at once of the sums that splits leave, in splits.
uint64_t bindable_splits(const Sizes& s, const gpu::Caps& caps) {
  const uint64_t rows = uint64_t{s.batch} * s.kv_heads * s.seq * s.group;
  return std::max<uint64_t>(1, caps.max_binding / (rows * s.head_size * sizeof(float)));
}

// At most so many splits that the workgroups reach the target.
uint32_t splits_of(const Sizes& s, const Variant& v, uint64_t most, uint32_t groups, const gpu::Caps& caps) {
  const uint64_t wanted = groups / blocks_of(s, v.rows);
  const uint64_t possible = std::min<uint64_t>(bindable_splits(s, caps), kMaxSplits);
  return static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 1, std::min(most, possible)));
}

uint64_t tiles_of(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v) {
  return ceil_div64(most_keys(p, s, v.rows), v.keys);
}

// The fewest rows a block with which the workgroups, one a tile where the keys are split, do not pass the target: more
// would only read the same keys again.
Variant choose_decode(const GroupQueryAttentionProblem& p, const Sizes& s, const gpu::Caps& caps) {
  const uint32_t all = std::min(s.head_size > 128 ? 2 : kBlockRows, std::bit_ceil(s.seq * s.group));
  const bool turns = can_turn(p, s, caps);
  Variant v = decode_variant(s, 1, turns, caps);
  const bool split = tiles_of(p, s, v) > (s.seq == 1 ? kUnsplitTilesOfOne : kUnsplitTiles);
  while (v.rows < all && blocks_of(s, v.rows) * (split ? tiles_of(p, s, v) : 1) > (split ? kGroups : kFewGroups))
    v = decode_variant(s, 2 * v.rows, turns, caps);
  if (split) v.splits = splits_of(s, v, tiles_of(p, s, v), kGroups, caps);
  return v;
}

// Workgroup memory holds lines of queries and of keys or values, and of scores and weights, padded as in
// gqa_prefill_matrices.wgsl.
bool can_use_matrices(const GroupQueryAttentionProblem& p, const Sizes& s, const gpu::Caps& caps) {
  constexpr uint32_t kScoreBytes = kPrefillRows * ((kPrefillKeys + 4) * 4 + (kPrefillKeys + 8) * 2);
  const uint32_t bytes = (kPrefillRows + kPrefillKeys) * (s.head_size + 8) * 2 + kScoreBytes + 16;
  return p.query.storage == Storage::kF16 && s.head_size % 32 == 0 && s.head_size <= 128 &&
         has_subgroup_matrices(caps) && caps.subgroup_max >= kMatrix && caps.subgroup_max <= 4 * kMatrix &&
         bytes <= caps.max_workgroup_storage;
}

}  // namespace

Variant decode_variant(const Sizes& s, uint32_t rows, bool turns, const gpu::Caps& caps) {
  Variant v{};
  v.kernel = Kernel::kDecode;
  v.turns = turns;
  v.rows = rows;
  v.lanes = std::bit_ceil(std::max(4u, s.head_size / 8));  // eight columns a thread
  v.subgroups = caps.subgroups && caps.subgroup_min >= v.lanes;
  v.workgroup = rows > 2 || s.head_size > 128 ? 128 : 256;
  v.joined = v.subgroups ? std::min(std::bit_floor(caps.subgroup_min), 32u) / v.lanes : 1;
  v.keys = v.workgroup / v.lanes * kTeamKeys;
  v.splits = 1;
  return v;
}

Variant prefill_variant(Kernel kernel, const gpu::Caps& caps) {
  Variant v{};
  v.kernel = kernel;
  v.rows = kPrefillRows;
  v.keys = kPrefillKeys;
  v.workgroup = kernel == Kernel::kPrefillMatrices ? kPrefillRows / kMatrix * caps.subgroup_max : 128;
  v.splits = 1;
  return v;
}

Variant choose(const GroupQueryAttentionProblem& p, const Sizes& s, const gpu::Caps& caps) {
  if (uint64_t{s.seq} * s.group <= kDecodeRows) return choose_decode(p, s, caps);
  const bool matrices = can_use_matrices(p, s, caps);
  Variant v = prefill_variant(matrices ? Kernel::kPrefillMatrices : Kernel::kPrefill, caps);
  const uint64_t tiles = tiles_of(p, s, v);
  v.splits = matrices ? splits_of(s, v, ceil_div64(tiles, kMatrixTiles), kGroups, caps)
                      : splits_of(s, v, tiles, kMostGroups, caps);
  return v;
}

}  // namespace sluice::kernels::gqa
