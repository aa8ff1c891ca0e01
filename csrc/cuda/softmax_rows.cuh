// Losses over classes, row by row: each row is read once, where it fits into its team's registers, and its gradient
// written while the exponentials are at hand. Formulas: loss_formulas.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "cuda/vector_targets.cuh"

namespace cotrain {

// What a row lost, and what its gradient is to be multiplied with.
template <typename Sum>
struct Lost {
  Sum loss, factor;
};

// Focal loss, from -log p of the right class and the sum of the others' exponentials.
template <typename Sum>
__device__ Lost<Sum> focused(Sum surprise, Sum others, Sum rest, Sum gamma, Sum weight) {
  const Sum missing = others / (Sum(1) + rest);  // 1 - p
  const Sum left = missing < std::numeric_limits<Sum>::min() ? Sum(0) : missing;
  const Sum power = gamma == Sum(0) ? Sum(1) : left == Sum(0) ? Sum(0) : std::exp(gamma * std::log(left));
  return {weight * focal_loss(surprise, power), weight * focal_slope(left, surprise, power, gamma)};
}

// A row's loss in every thread of its team; writes the row's gradient, times `scale` and the sample's weight.
template <typename E, int held, bool is_vector>
__device__ typename E::Sum softmax_row(const LossHead& head, const LossTeam& team, const Spot<typename E::Sum>& spot,
                                       double scale) {
  using Sum = typename E::Sum;
  using Raw = typename E::Raw;
  using Class = Index<held>;
  const Class step = static_cast<Class>(head.outputs_at.item);
  const Raw* outputs = static_cast<const Raw*>(head.outputs) + spot.sample * head.outputs_at.sample +
                       spot.position * head.outputs_at.position;
  const auto given = [&](Class c) { return spot.is_live ? E::load(outputs[c * step]) : Sum(0); };
  Sum in_registers[held > 0 ? held : 1];
  Softmax<Sum> softmax;
  const bool is_tempered = is_vector && is_distillation(head.kind);
  softmax.inverse_temperature = is_tempered ? Sum(1) / static_cast<Sum>(head.setting) : Sum(1);

  if constexpr (held > 0) {
    each_class<held>(team, head.n_classes, [&](int i, Class c) { in_registers[i] = given(c); });
  }
  const auto logit = [&](int i, Class c) {
    if constexpr (held > 0)
      return in_registers[i];
    else
      return given(c);
  };
  VectorTarget<E, is_vector ? held : 0> target(head, spot);
  if constexpr (is_vector) target.prepare(team);
  const Class code = static_cast<Class>(spot.code);
  const Sum right_logit = is_vector ? Sum(0) : given(code);
  Sum largest = -std::numeric_limits<Sum>::infinity();
  each_class<held>(team, head.n_classes, [&](int i, Class c) {
    const Sum value = logit(i, c);
    largest = value > largest ? value : largest;
  });
  softmax.largest = team.largest(largest);

  Sum sums[is_vector ? 4 : 2] = {};  // of exponentials but those of 1; how many are 1; the shortfall; the mass
  each_class<held>(team, head.n_classes, [&](int i, Class c) {
    const Sum z = softmax.shifted(logit(i, c));
    const Sum exponential = std::exp(z);
    if constexpr (held > 0) in_registers[i] = exponential;
    sums[0] += exponential == Sum(1) ? Sum(0) : exponential;
    sums[1] += exponential == Sum(1) ? Sum(1) : Sum(0);
    if constexpr (is_vector) {
      const Sum share = target.at(i, c);
      sums[2] += shortfall_term(share, z);
      sums[3] += share;
    }
  });
  team.sum(sums);
  softmax.rest = sums[0] + (sums[1] - Sum(1));

  Sum mass, others = 0;
  Lost<Sum> lost;
  if constexpr (is_vector) {
    lost.factor = softmax.inverse_temperature;
    if (is_distillation(head.kind)) {
      const Sum temperature = static_cast<Sum>(head.setting);
      mass = temperature * temperature;
      const double log_sum = std::log1p(double(softmax.rest));
      lost.loss = static_cast<Sum>(target.constant + cross_entropy(double(mass), log_sum, double(sums[2])));
    } else {
      mass = sums[3];
      lost.loss = cross_entropy(mass, std::log1p(softmax.rest), sums[2]);
    }
  } else {
    const bool is_focal = head.kind == LossKind::focal;
    const Sum z = softmax.shifted(right_logit), weight = class_weight_of<Sum>(head, spot.code);
    mass = is_focal ? Sum(1) : weight;
    others = sum_of_others(std::exp(z), softmax.rest);
    lost = {cross_entropy(mass, std::log1p(softmax.rest), shortfall_term(mass, z)), weight};
    if (is_focal) lost = focused(lost.loss, others, softmax.rest, static_cast<Sum>(head.setting), weight);
  }
  if (spot.is_faulty) lost.loss = lost.factor = std::numeric_limits<Sum>::quiet_NaN();
  if (head.gradient == nullptr || !spot.exists) return lost.loss;

  // In double until the last step: for weights near the ends of float's range neither their sum nor `scale`, which
  // divides by it, is a float, and only the product is.
  const Sum weighted = static_cast<Sum>(scale * double(spot.weight));
  const bool is_silent = !spot.is_live && !spot.is_faulty;
  const Sum factor = is_silent ? Sum(0) : lost.factor * weighted / (Sum(1) + softmax.rest);
  const Class gradient_step = static_cast<Class>(head.gradient_at.item);
  Raw* gradient = static_cast<Raw*>(head.gradient) + spot.sample * head.gradient_at.sample +
                  spot.position * head.gradient_at.position;
  each_class<held>(team, head.n_classes, [&](int i, Class c) {
    Sum exponential;
    if constexpr (held > 0)
      exponential = in_registers[i];
    else
      exponential = std::exp(softmax.shifted(given(c)));
    Sum slope;
    if constexpr (is_vector) {
      const Sum others_of_it = sum_of_others(exponential, softmax.rest);
      slope = cross_entropy_slope(mass, exponential, others_of_it, target.at(i, c)) * factor;
    } else {
      slope = (c == code ? -others : exponential) * factor;
    }
    gradient[c * gradient_step] = E::store(is_silent ? Sum(0) : slope);
  });
  return lost.loss;
}

}  // namespace cotrain
