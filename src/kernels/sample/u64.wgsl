// 64-bit unsigned numbers as vec2<u32>(low, high).
alias U64 = vec2<u32>;

fn add64(a: U64, b: U64) -> U64 {
  let low = a.x + b.x;
  return U64(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn sub64(a: U64, b: U64) -> U64 { return U64(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x)); }

fn less64(a: U64, b: U64) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }

fn mul32(a: u32, b: u32) -> U64 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let mid2 = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return U64(a * b, (a >> 16u) * (b >> 16u) + (mid >> 16u) + (mid2 >> 16u));
}

// floor(a * b / 2^32), which fits because b < 2^32.
fn scale64(a: U64, b: u32) -> U64 { return add64(mul32(a.y, b), U64(mul32(a.x, b).y, 0u)); }

// ceil(a * b / 2^32).
fn scale64_up(a: U64, b: u32) -> U64 {
  return add64(scale64(a, b), U64(select(1u, 0u, a.x * b == 0u), 0u));
}
