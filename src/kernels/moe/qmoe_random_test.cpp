// Random combinations of everything that QMoE and MoE accept, against the reference. SLUICE_RANDOM_CASES sets how many;
// a failure prints the case and the seed that makes it alone.
#include "kernels/moe/qmoe_fixture.h"

namespace sluice::kernels {
namespace {

using test::QMoECase;

bool one_in(Random& random, uint32_t n) { return random() % n == 0; }

template <class T>
T pick(Random& random, std::initializer_list<T> of) {
  return of.begin()[random() % of.size()];
}

// What the shaders depend on. Compiling them takes most of the time, so that cases share kinds.
QMoECase draw_kind(Random random) {
  QMoECase c;
  c.bits = pick(random, {0u, 2u, 4u, 4u, 8u});
  if (c.bits != 0 && !one_in(random, 3)) c.block_size = 16u << random() % (one_in(random, 4) ? 5 : 3);
  c.activation = static_cast<MoeActivation>(random() % 5);
  const bool swiglu = c.activation == MoeActivation::kSwiglu;
  c.fusion = swiglu ? random() % 3 : 0;
  c.fc3 = swiglu ? c.fusion == 0 : one_in(random, 3);
  c.bias = one_in(random, 2);
  c.zero_points = one_in(random, 2);
  c.residual = one_in(random, 3);
  c.normalize = one_in(random, 2);
  c.router_weights = one_in(random, 4);
  c.sparse = !c.router_weights && one_in(random, 5);
  c.sigmoid = !c.router_weights && !c.sparse && one_in(random, 3);
  c.choice_bias = c.sigmoid && one_in(random, 2);
  const std::vector<Storage> storages = float_storages();
  c.storage = storages[random() % storages.size()];
  c.scales = storages[random() % storages.size()];
  c.variant = one_in(random, 2) ? QMoEVariant::kDecode : QMoEVariant::kPrefill;
  return c;
}

void draw_sizes(Random& random, QMoECase& c) {
  const uint32_t step = c.block_size != 0 ? c.block_size : c.bits == 0 ? 1 : 8 / c.bits;
  const uint32_t most = c.block_size >= 64 ? 2 : c.block_size != 0 ? 5 : 80 / step;
  c.hidden = step * (1 + random() % most);
  c.inner = step * (1 + random() % most);
  c.experts = one_in(random, 12) ? 1 + random() % 512 : 1 + random() % 24;
  c.tokens = one_in(random, 4) ? 1 + random() % 90 : 1 + random() % 10;
  if (c.experts * (c.hidden + 1) > 16000) c.hidden = c.inner = step;
  if (c.sparse) c.experts = std::max(c.experts, 2u);
  c.k = one_in(random, 8) ? 1 + random() % c.experts : 1 + random() % std::min(c.experts, 5u);
  c.k = c.sparse ? 2 : std::min(c.k, 64u);
  if (c.tokens > 20 && c.k > 8) c.variant = QMoEVariant::kPrefill;
  c.scale = pick(random, {1.0f, 2.826f, -0.5f});
  c.least = c.sigmoid ? pick(random, {0.0f, 1e-30f, 0.3f}) : 0;
  c.epsilon = c.sigmoid ? pick(random, {0.0f, 1e-6f, 0.5f}) : 0;
  c.alpha = pick(random, {1.0f, 1.702f, 0.5f});
  c.beta = pick(random, {0.0f, 1.0f});
  c.limit = pick(random, {std::numeric_limits<float>::infinity(), 7.0f, 0.75f, 0.0f});
}

// Logits with many ties, or with values that are no numbers.
void spoil_router(Random& random, QMoEHost& h) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (one_in(random, 3)) {
    for (float& v : h.router) v = static_cast<float>(random() % 4) / 2 - 0.5f;
  } else if (one_in(random, 5)) {
    for (float& v : h.router) {
      if (one_in(random, 9)) v = pick(random, {kInfinity, -kInfinity, std::nanf("")});
    }
  }
}

TEST(QMoERandom, AgainstTheReference) {
  FreshDevices devices;
  const uint32_t count = random_case_count(200);
  for (uint32_t seed = 0; seed < count; ++seed) {
    Random random(seed);
    QMoECase c = draw_kind(Random(seed % std::max(10u, count / 10)));
    draw_sizes(random, c);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    QMoEHost h = test::random_host(random, c);
    spoil_router(random, h);
    check_qmoe(devices.pick(random), c, h);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::kernels
