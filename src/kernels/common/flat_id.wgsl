// Flat index of a workgroup whose count fold_groups() folded into three dimensions. It may exceed the range: check it.
fn flat_workgroup(id: vec3<u32>, n: vec3<u32>) -> u32 {
  return (id.z * n.y + id.y) * n.x + id.x;
}
