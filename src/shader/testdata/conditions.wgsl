// Every form of #if, for the expander's tests: the constants that survive name the branches taken.
#include "shader/testdata/included.wgsl"
#include "shader/testdata/included.wgsl"
#if FLAG
const flag = true;
  #if SIZE == 4
const size_is_4 = true;
  #elif SIZE == 8u
const size_is_8 = true;
  #elif SIZE != 16
const size_is_other = true;
  #else
const size_is_16 = true;
  #endif
#else
const no_flag = true;
#endif
#if !FLAG || T == f16 && SIZE != 4  // a comment
const mixed = true;
#endif
@compute @workgroup_size(1)
fn main() {}
