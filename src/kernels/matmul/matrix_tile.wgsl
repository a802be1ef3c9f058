// The product of two staged tiles by subgroup matrices of 16 x 16 x 16, f16 added up in f32: a subgroup owns 16 * IM rows
// (IM 2 or 4) by 32 columns. For Tint alone. Sums are spelt out one by one, because an array of matrices that a loop
// walks through lies in memory. Lines are padded by 8 elements: rows that are loaded together then begin in different
// banks. The sums leave through a patch of workgroup memory, whose elements every invocation knows the place of.
enable chromium_experimental_subgroup_matrix;
enable subgroups;
diagnostic(off, chromium.subgroup_matrix_uniformity);
alias StagedElement = f16;
alias Staged = vec4<f16>;
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const STEP: u32 = 4u * QUADS;  // of K
const PITCH: u32 = STEP + 8u;
const ROW_SUBGROUPS: u32 = TM / (16u * IM);
const COLUMN_SUBGROUPS: u32 = TN / 32u;
const WG: u32 = SUBGROUP * ROW_SUBGROUPS * COLUMN_SUBGROUPS;
const PATCH: u32 = 256u;
var<workgroup> a_tile: array<f16, TM * PITCH>;
var<workgroup> b_tile: array<f16, TN * PITCH>;
var<workgroup> patches: array<f32, PATCH * ROW_SUBGROUPS * COLUMN_SUBGROUPS>;

struct Sums {
  s00: Result,
  s01: Result,
  s10: Result,
  s11: Result,
#if IM == 4
  s20: Result,
  s21: Result,
  s30: Result,
  s31: Result,
#endif
}

fn stage_a(row: u32, quad: u32, v: Staged) {
  let at = row * PITCH + 4u * quad;
  a_tile[at] = v.x;
  a_tile[at + 1u] = v.y;
  a_tile[at + 2u] = v.z;
  a_tile[at + 3u] = v.w;
}

fn stage_b(column: u32, quad: u32, v: Staged) {
  let at = column * PITCH + 4u * quad;
  b_tile[at] = v.x;
  b_tile[at + 1u] = v.y;
  b_tile[at + 2u] = v.z;
  b_tile[at + 3u] = v.w;
}

fn first_row_of(subgroup: u32) -> u32 {
  return subgroup / COLUMN_SUBGROUPS * (16u * IM);
}

fn first_column_of(subgroup: u32) -> u32 {
  return subgroup % COLUMN_SUBGROUPS * 32u;
}

fn multiply_tiles(subgroup: u32, sums: ptr<function, Sums>) {
  let row = first_row_of(subgroup) * PITCH;
  let column = first_column_of(subgroup) * PITCH;
  if (first_row_of(subgroup) >= used_rows) {
    return;
  }
  for (var k = 0u; k < STEP; k += 16u) {
    let b0 = subgroupMatrixLoad<Right>(&b_tile, column + k, true, PITCH);
    let b1 = subgroupMatrixLoad<Right>(&b_tile, column + 16u * PITCH + k, true, PITCH);
    let a0 = subgroupMatrixLoad<Left>(&a_tile, row + k, false, PITCH);
    sums.s00 = subgroupMatrixMultiplyAccumulate(a0, b0, sums.s00);
    sums.s01 = subgroupMatrixMultiplyAccumulate(a0, b1, sums.s01);
    let a1 = subgroupMatrixLoad<Left>(&a_tile, row + 16u * PITCH + k, false, PITCH);
    sums.s10 = subgroupMatrixMultiplyAccumulate(a1, b0, sums.s10);
    sums.s11 = subgroupMatrixMultiplyAccumulate(a1, b1, sums.s11);
#if IM == 4
    let a2 = subgroupMatrixLoad<Left>(&a_tile, row + 32u * PITCH + k, false, PITCH);
    sums.s20 = subgroupMatrixMultiplyAccumulate(a2, b0, sums.s20);
    sums.s21 = subgroupMatrixMultiplyAccumulate(a2, b1, sums.s21);
    let a3 = subgroupMatrixLoad<Left>(&a_tile, row + 48u * PITCH + k, false, PITCH);
    sums.s30 = subgroupMatrixMultiplyAccumulate(a3, b0, sums.s30);
    sums.s31 = subgroupMatrixMultiplyAccumulate(a3, b1, sums.s31);
#endif
  }
}

fn store_patch(subgroup: u32, sublane: u32, sum: Result, row: u32, column: u32) {
  let corner = PATCH * subgroup;
  subgroupMatrixStore(&patches, corner, sum, false, 16u);
  workgroupBarrier();
  for (var pair = sublane; pair < PATCH / 2u; pair += SUBGROUP) {
    let at = corner + 2u * pair;
    store_pair(first_row_of(subgroup) + row + pair / 8u, first_column_of(subgroup) + column + pair % 8u * 2u,
               vec2<f32>(patches[at], patches[at + 1u]));
  }
  workgroupBarrier();
}

fn store_sums(subgroup: u32, sublane: u32, sums: ptr<function, Sums>) {
  store_patch(subgroup, sublane, sums.s00, 0u, 0u);
  store_patch(subgroup, sublane, sums.s01, 0u, 16u);
  store_patch(subgroup, sublane, sums.s10, 16u, 0u);
  store_patch(subgroup, sublane, sums.s11, 16u, 16u);
#if IM == 4
  store_patch(subgroup, sublane, sums.s20, 32u, 0u);
  store_patch(subgroup, sublane, sums.s21, 32u, 16u);
  store_patch(subgroup, sublane, sums.s30, 48u, 0u);
  store_patch(subgroup, sublane, sums.s31, 48u, 16u);
#endif
}
