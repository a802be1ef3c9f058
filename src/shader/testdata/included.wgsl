// Included twice by conditions.wgsl and expected once.
diagnostic(off, subgroup_uniformity);
#if T != f32
const included_not_f32 = true;
#endif
const included: T = T(1);
