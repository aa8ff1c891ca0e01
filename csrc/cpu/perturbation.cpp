// A perturbation over the threads. A row's sums are taken by one thread, so they are the same bits for any number.

#include "perturbation.h"

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cpu/elements.h"
#include "cpu/isa.h"
#include "perturbation_formulas.h"
#include "l1_ball.h"

#define COTRAIN_KERNEL "cpu/perturbation.inl"
#include "cpu/for_each_isa.h"

namespace cotrain {
namespace {

constexpr std::int64_t grain = 32768;  // elements; ATen's grain for element-wise work

// Where one limit differs by feature, every limit is spelled out by feature: the loops then choose nothing.
template <typename Sum>
class SpelledOut {
 public:
  explicit SpelledOut(Ball& ball) {
    if (ball.features_are_alike()) return;
    spell_out(ball.scale_per_feature, 1.0, ball.n_features, scales_);
    spell_out(ball.lower_per_feature, ball.lower, ball.n_features, floors_);
    spell_out(ball.upper_per_feature, ball.upper, ball.n_features, ceilings_);
  }

 private:
  static void spell_out(const void*& limit, double value, std::int64_t n, std::vector<Sum>& room) {
    if (limit != nullptr) return;
    room.assign(static_cast<std::size_t>(n), static_cast<Sum>(value));
    limit = room.data();
  }
  std::vector<Sum> scales_, floors_, ceilings_;
};

template <typename Sum>
void perturb_in(Element element, Perturbation step) {
  const SpelledOut<Sum> limits(step);
  if (step.norm == Norm::linf) {
    // One epsilon and one box: the samples' borders mean nothing, so the whole is one long row.
    if (step.epsilon_per_sample == nullptr && step.features_are_alike()) {
      step.n_features *= step.n_samples;
      step.n_samples = 1;
    }
    torch::stable::parallel_for(0, step.n_samples * step.n_features, grain, [&](std::int64_t begin, std::int64_t end) {
      COTRAIN_ON_CHOSEN_ISA(linf_range, element, step, begin, end);
    });
    return;
  }
  const std::int64_t rows = std::max<std::int64_t>(1, grain / step.n_features);
  torch::stable::parallel_for(0, step.n_samples, rows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Sum> room(step.norm == Norm::l1 ? static_cast<std::size_t>(step.n_features) : 0);
    COTRAIN_ON_CHOSEN_ISA(perturb_rows, element, step, begin, end, room.data());
  });
}

template <typename Sum>
void start_in(Element element, RandomStart start) {
  const SpelledOut<Sum> limits(start);
  const std::int64_t rows = std::max<std::int64_t>(1, grain / start.n_features);
  torch::stable::parallel_for(0, start.n_samples, rows, [&](std::int64_t begin, std::int64_t end) {
    COTRAIN_ON_CHOSEN_ISA(start_rows, element, start, begin, end);
  });
}

}  // namespace

void perturb_cpu(Element element, const Perturbation& step) {
  if (element == Element::float64) perturb_in<double>(element, step);
  else perturb_in<float>(element, step);
}

void random_start_cpu(Element element, const RandomStart& start) {
  if (element == Element::float64) start_in<double>(element, start);
  else start_in<float>(element, start);
}

}  // namespace cotrain
