// Numbers of ROWS rows, and their exchange between the LANES threads of a team, each of which holds a part of every
// row's. Afterwards a thread looks after one row, row_of(lane). ROWS is 1, 2 or 4, LANES a power of two, at least 4.
// With SUBGROUPS no subgroup is smaller than a team, and subgroups are runs of invocation indices.
//
// Nothing here is an array: compilers that do not unroll a loop keep its arrays in memory, not in registers.
#if ROWS == 4
alias Rows = vec4<f32>;
alias RowColumns = mat4x4<f32>;   // a vec4 of each row

fn dot_rows(q: RowColumns, k: vec4<f32>) -> Rows {
  return Rows(dot(q[0], k), dot(q[1], k), dot(q[2], k), dot(q[3], k));
}

fn scale_rows(m: RowColumns, w: Rows) -> RowColumns {
  return RowColumns(m[0] * w.x, m[1] * w.y, m[2] * w.z, m[3] * w.w);
}

fn spread_rows(v: vec4<f32>, w: Rows) -> RowColumns { return RowColumns(v * w.x, v * w.y, v * w.z, v * w.w); }

fn select_row(m: RowColumns, r: u32) -> vec4<f32> {
  return select(select(m[3], m[2], r == 2u), select(m[1], m[0], r == 0u), r < 2u);
}
#elif ROWS == 2
alias Rows = vec2<f32>;
alias RowColumns = mat2x4<f32>;

fn dot_rows(q: RowColumns, k: vec4<f32>) -> Rows { return Rows(dot(q[0], k), dot(q[1], k)); }

fn scale_rows(m: RowColumns, w: Rows) -> RowColumns { return RowColumns(m[0] * w.x, m[1] * w.y); }

fn spread_rows(v: vec4<f32>, w: Rows) -> RowColumns { return RowColumns(v * w.x, v * w.y); }

fn select_row(m: RowColumns, r: u32) -> vec4<f32> { return select(m[1], m[0], r == 0u); }
#else
alias Rows = f32;
alias RowColumns = vec4<f32>;

fn dot_rows(q: RowColumns, k: vec4<f32>) -> Rows { return dot(q, k); }

fn scale_rows(m: RowColumns, w: Rows) -> RowColumns { return m * w; }

fn spread_rows(v: vec4<f32>, w: Rows) -> RowColumns { return v * w; }

fn select_row(m: RowColumns, r: u32) -> vec4<f32> { return m; }
#endif

// ROW_LANES = LANES / ROWS threads look after the same row.
fn row_of(lane: u32) -> u32 { return lane / ROW_LANES; }

#if SUBGROUPS
var<private> subgroup_lane: u32;   // subgroup_invocation_id

// The sum over the team of the thread's row. Each step sends away the half of the rows that the thread will not look
// after; once there is one row left, both of a pair need it.
fn team_sum(parts: Rows, thread: u32) -> f32 {
#if ROWS == 4
  let upper = (thread & (LANES / 2u)) != 0u;
  let two = select(parts.xy, parts.zw, upper) + subgroupShuffleXor(select(parts.zw, parts.xy, upper), LANES / 2u);
  let odd = (thread & (LANES / 4u)) != 0u;
  var sum = select(two.x, two.y, odd) + subgroupShuffleXor(select(two.y, two.x, odd), LANES / 4u);
#elif ROWS == 2
  let odd = (thread & (LANES / 2u)) != 0u;
  var sum = select(parts.x, parts.y, odd) + subgroupShuffleXor(select(parts.y, parts.x, odd), LANES / 2u);
#else
  var sum = parts;
#endif
#if ROW_LANES == 32
  sum += subgroupShuffleXor(sum, 16u);
#endif
#if ROW_LANES == 32 || ROW_LANES == 16
  sum += subgroupShuffleXor(sum, 8u);
#endif
#if ROW_LANES == 32 || ROW_LANES == 16 || ROW_LANES == 8
  sum += subgroupShuffleXor(sum, 4u);
#endif
#if ROW_LANES == 32 || ROW_LANES == 16 || ROW_LANES == 8 || ROW_LANES == 4
  sum += subgroupShuffleXor(sum, 2u);
#endif
#if ROW_LANES != 1
  sum += subgroupShuffleXor(sum, 1u);
#endif
  return sum;
}

// Teams whose distance is `mask` invocations: what the other one has for the same lane.
fn other_row_columns(x: RowColumns, mask: u32) -> RowColumns {
#if ROWS == 4
  return RowColumns(subgroupShuffleXor(x[0], mask), subgroupShuffleXor(x[1], mask), subgroupShuffleXor(x[2], mask),
                    subgroupShuffleXor(x[3], mask));
#elif ROWS == 2
  return RowColumns(subgroupShuffleXor(x[0], mask), subgroupShuffleXor(x[1], mask));
#else
  return subgroupShuffleXor(x, mask);
#endif
}

// The values of all rows, from the threads that look after them.
fn team_rows(value: f32, thread: u32) -> Rows {
#if ROWS == 1
  return value;
#else
  let first = subgroup_lane - thread % LANES;
#if ROWS == 2
  return Rows(subgroupShuffle(value, first), subgroupShuffle(value, first + ROW_LANES));
#else
  return Rows(subgroupShuffle(value, first), subgroupShuffle(value, first + ROW_LANES),
              subgroupShuffle(value, first + 2u * ROW_LANES), subgroupShuffle(value, first + 3u * ROW_LANES));
#endif
#endif
}
#else
var<workgroup> team_parts: array<Rows, WG>;
var<workgroup> team_sums: array<f32, WG>;

fn team_sum(parts: Rows, thread: u32) -> f32 {
  team_parts[thread] = parts;
  workgroupBarrier();
  let lane = thread % LANES;
  var sum = Rows();
  for (var i = 0u; i < LANES; i++) { sum += team_parts[thread - lane + i]; }
  workgroupBarrier();
#if ROWS == 1
  return sum;
#else
  return sum[row_of(lane)];
#endif
}

fn team_rows(value: f32, thread: u32) -> Rows {
#if ROWS == 1
  return value;
#else
  team_sums[thread] = value;
  workgroupBarrier();
  let first = thread - thread % LANES;
#if ROWS == 2
  let rows = Rows(team_sums[first], team_sums[first + ROW_LANES]);
#else
  let rows = Rows(team_sums[first], team_sums[first + ROW_LANES], team_sums[first + 2u * ROW_LANES],
                  team_sums[first + 3u * ROW_LANES]);
#endif
  workgroupBarrier();
  return rows;
#endif
}
#endif
