// Times of the quantised products, one token or few, in chains over distinct weights: as a model's layers run them.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "kernels/common/runner.h"
#include "kernels/matmul/matmul_nbits.h"
#include "kernels/moe/qmoe.h"

using namespace sluice;
using namespace sluice::kernels;

namespace {

std::vector<uint8_t> noise(size_t bytes) {
  static const std::vector<uint8_t> tile = [] {
    std::mt19937 random(1);
    std::vector<uint8_t> t(1 << 20);
    for (auto& b : t) b = static_cast<uint8_t>(random());
    return t;
  }();
  std::vector<uint8_t> v(bytes);
  for (size_t at = 0; at < bytes; at += tile.size())
    std::memcpy(v.data() + at, tile.data(), std::min(tile.size(), bytes - at));
  return v;
}

std::vector<float> random_floats(size_t n, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(-scale, scale);
  std::vector<float> v(std::min<size_t>(n, 1 << 16));
  for (float& x : v) x = draw(random);
  std::vector<float> all(n);
  for (size_t i = 0; i < n; ++i) all[i] = v[i & 0xffff];
  return all;
}

void report(const std::string& name, double ns, double bytes) {
  fmt::print("{:44} {:8.2f} us {:8.1f} GB/s\n", name, ns / 1e3, bytes / ns);
  std::fflush(stdout);
}

void matmul(uint32_t m, uint32_t n, uint32_t k, uint32_t count) {
  Runner runner(test_device());
  const Storage f = test_device().caps().f16 ? Storage::kF16 : Storage::kF32;
  Tensor x = runner.upload(f, {m, k}, random_floats(size_t{m} * k, 1, 1));
  for (uint32_t i = 0; i < count; ++i) {
    MatMulNBitsProblem p;
    p.a = x;
    p.b = runner.upload_bytes({n, k / 32, 16}, noise(size_t{n} * k / 2));
    p.scales = runner.upload(f, {n, k / 32}, random_floats(size_t{n} * k / 32, 0.01f, 2));
    p.y = runner.allocate(f, {m, n});
    p.n = n;
    p.k = k;
    plan_matmul_nbits(p, runner.recorder());
    if (n == k) x = p.y;
  }
  report(fmt::format("matmul_nbits m {} n {} k {}", m, n, k), runner.time(200, 30) / count,
         double(n) * k * (0.5 + 2.0 / 32));
}

void qmoe(uint32_t t, uint32_t h, uint32_t in, uint32_t e, uint32_t k, uint32_t layers, uint32_t count) {
  Runner runner(test_device());
  const Storage f = test_device().caps().f16 ? Storage::kF16 : Storage::kF32;
  Tensor x = runner.upload(f, {t, h}, random_floats(size_t{t} * h, 1, 1));
  std::vector<QMoEProblem> ps;
  for (uint32_t i = 0; i < layers; ++i) {
    QMoEProblem p;
    p.fc1.weights = runner.upload_bytes({e, 2 * in, h / 2}, noise(size_t{e} * in * h));
    p.fc1.scales = runner.upload(f, {e, 2 * in, h / 32}, random_floats(size_t{e} * 2 * in * h / 32, 0.01f, 2));
    p.fc2.weights = runner.upload_bytes({e, h, in / 2}, noise(size_t{e} * in * h / 2));
    p.fc2.scales = runner.upload(f, {e, h, in / 32}, random_floats(size_t{e} * in * h / 32, 0.01f, 2));
    p.k = k;
    p.block_size = 32;
    p.activation = MoeActivation::kSwiglu;
    p.swiglu_fusion = 1;
    p.swiglu_limit = 7;
    p.activation_alpha = 1.702f;
    p.activation_beta = 1;
    p.normalize_routing_weights = true;
    ps.push_back(p);
  }
  for (uint32_t i = 0; i < count; ++i) {
    QMoEProblem p = ps[i % layers];
    p.input = x;
    p.router = runner.upload(f, {t, e}, random_floats(size_t{t} * e, 2, 100 + i));
    p.y = runner.allocate(f, {t, h});
    plan_qmoe(p, runner.recorder());
    x = p.y;
  }
  const auto all = runner.recorder().dispatches();
  for (const char* part : {"fc1", "fc2"}) {
    auto& list = runner.recorder().dispatches();
    list.clear();
    for (const auto& d : all)
      if (d.name.find(part) != std::string::npos) list.push_back(d);
    if (list.empty()) continue;
    report(std::string("   ") + part, runner.time(200, 30) / count,
           double(std::min(e, k * t)) * (part[2] == '1' ? 2 : 1) * in * h * (0.5 + 2.0 / 32));
  }
  runner.recorder().dispatches() = all;
  report(fmt::format("qmoe t {} h {} i {} e {} k {}", t, h, in, e, k), runner.time(200, 30) / count,
         double(std::min(e, k * t)) * 3 * in * h * (0.5 + 2.0 / 32));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const bool big = !test_device().caps().software;
  if (!big) {
    matmul(1, 1024, 1024, 4);
    qmoe(1, 512, 256, 8, 2, 2, 4);
    return 0;
  }
  matmul(1, 4096, 4096, 24);
  matmul(1, 5120, 2880, 24);
  matmul(1, 2880, 4096, 24);
  matmul(1, 201088, 2880, 2);
  qmoe(1, 2880, 2880, 32, 4, 4, 32);
  qmoe(1, 1024, 256, 128, 8, 8, 64);
  if (what == "all") {
    for (uint32_t m : {2u, 4u, 8u}) matmul(m, 4096, 4096, 24);
    for (uint32_t t : {2u, 4u, 8u}) qmoe(t, 2880, 2880, 32, 4, 4, 16);
    for (uint32_t t : {2u, 8u}) qmoe(t, 1024, 256, 128, 8, 8, 16);
    matmul(512, 4096, 4096, 4);
    qmoe(512, 2880, 2880, 32, 4, 2, 4);
    qmoe(512, 1024, 256, 128, 8, 2, 4);
  }
  return 0;
}
