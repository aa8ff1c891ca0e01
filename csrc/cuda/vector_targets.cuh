// What is to be learnt in a row, where it is a vector over the classes; and how a team goes through a row.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "cuda/loss_counting.cuh"
#include "loss_formulas.h"

namespace cotrain {

using LossTeam = Team<loss_threads>;

__host__ __device__ inline bool is_distillation(LossKind kind) {
  return kind == LossKind::distillation || kind == LossKind::distillation_from_probabilities;
}

// Whether what is to be learnt is a vector over the classes, not one class.
__host__ __device__ inline bool has_vector_target(const LossHead& head) {
  return head.codes == nullptr || (head.kind == LossKind::cross_entropy && head.setting > 0);
}

// The number of a class, and how far it lies from the first: short where a row is held in registers (PlannedHead).
template <int held>
using Index = std::conditional_t<(held > 0), int, std::int64_t>;

// Calls visit(i, c) for each class c of this thread, its i-th. `held`: how many there are at most, so that i can be a
// register's number; 0 = any number, and i is always 0.
template <int held, typename Visit>
__device__ void each_class(const LossTeam& team, std::int64_t n_classes, const Visit& visit) {
  if constexpr (held == 0) {
    for (std::int64_t c = team.rank; c < n_classes; c += team.width) visit(0, c);
  } else {
    const int n = static_cast<int>(n_classes);
    constexpr int at_once = 8;  // without a branch between them
#pragma unroll
    for (int first = 0; first < held; first += at_once) {
      if (first * team.width >= n) break;
#pragma unroll
      for (int i = first; i < first + at_once; ++i) {
        const int c = i * team.width + team.rank;
        if (c < n) visit(i, c);
      }
    }
  }
}

// A softmax without its denominator, in the terms of loss_formulas.h.
template <typename Sum>
struct Softmax {
  Sum largest, inverse_temperature, rest = 0;

  __device__ Sum shifted(Sum logit) const { return (logit - largest) * inverse_temperature; }
};

// log p of a teacher that gives probabilities; one too small for the logarithm counts as none.
template <typename Sum>
__device__ Sum log_probability(Sum share) {
  if (share >= std::numeric_limits<Sum>::min()) return std::log(share);
  return share == share ? -std::numeric_limits<Sum>::infinity() : share;
}

// What is to be learnt in a row, where it is a vector over the classes. `in_registers` holds this thread's part of it.
template <typename E, int held>
struct VectorTarget {
  using Sum = typename E::Sum;

  using Class = Index<held>;

  const LossHead& head;
  const Spot<Sum>& spot;
  std::int64_t first;                  // where the row's targets lie
  Class step;                          // from class to class
  Softmax<Sum> teacher{};              // of a distillation
  Sum scale = 0;                       // of a distillation: temperature^2 over the teacher's sum
  double constant = 0;                 // of a distillation: the part of the loss that the student does not move
  Sum in_registers[held > 0 ? held : 1];

  __device__ VectorTarget(const LossHead& head, const Spot<Sum>& spot)
      : head(head),
        spot(spot),
        first(spot.sample * head.targets_at.sample + spot.position * head.targets_at.position),
        step(static_cast<Class>(head.targets_at.item)) {}

  // As it lies in memory. Of what does not count nothing is read: all equal, and finite.
  __device__ Sum given(Class c) const {
    if (!spot.is_live) return Sum(0);
    const Sum value = target_at<E>(head, first + c * step);
    return head.kind == LossKind::distillation_from_probabilities ? log_probability(value) : value;
  }

  // Codes have a share that is spread evenly (Szegedy et al. 2016, arXiv 1512.00567, section 7).
  __device__ Sum of_codes(Class c) const {
    const Sum smoothing = static_cast<Sum>(head.setting), even = smoothing / static_cast<Sum>(head.n_classes);
    return c == spot.code ? even + (Sum(1) - smoothing) : even;
  }

  __device__ Sum computed(Class c) const {
    if (is_distillation(head.kind)) return std::exp(teacher.shifted(given(c))) * scale;
    return (head.codes != nullptr ? of_codes(c) : given(c)) * class_weight_of<Sum>(head, c);
  }

  // Before anything is asked of it. Teachers: Hinton, Vinyals, Dean 2015, arXiv 1503.02531, with the T^2 of section 2.1.
  __device__ void prepare(const LossTeam& team) {
    if (!is_distillation(head.kind)) {
      if constexpr (held > 0) {
        each_class<held>(team, head.n_classes, [&](int i, Class c) { in_registers[i] = computed(c); });
      }
      return;
    }
    const Sum temperature = static_cast<Sum>(head.setting), mass = temperature * temperature;
    teacher.inverse_temperature = Sum(1) / temperature;
    Sum largest = -std::numeric_limits<Sum>::infinity();
    each_class<held>(team, head.n_classes, [&](int i, Class c) {
      const Sum value = given(c);
      if constexpr (held > 0) in_registers[i] = value;
      largest = value > largest ? value : largest;
    });
    teacher.largest = team.largest(largest);
    Sum sums[3] = {0, 0, 0};  // of exponentials but those of 1; how many are 1; what the entropy is made of
    each_class<held>(team, head.n_classes, [&](int i, Class c) {
      Sum z;
      if constexpr (held > 0)
        z = teacher.shifted(in_registers[i]);
      else
        z = teacher.shifted(given(c));
      const Sum exponential = std::exp(z);
      if constexpr (held > 0) in_registers[i] = exponential;
      sums[0] += exponential == Sum(1) ? Sum(0) : exponential;
      sums[1] += exponential == Sum(1) ? Sum(1) : Sum(0);
      sums[2] += shortfall_term(exponential, z);
    });
    team.sum(sums);
    teacher.rest = sums[0] + (sums[1] - Sum(1));
    scale = mass / (Sum(1) + teacher.rest);
    // In double: at high temperatures it is almost what the student's part is, and temperature^2 times as large as both.
    constant = -(double(scale) * double(sums[2]) + double(mass) * std::log1p(double(teacher.rest)));
  }

  __device__ Sum at(int i, Class c) const {
    if constexpr (held == 0)
      return computed(c);
    else
      return is_distillation(head.kind) ? in_registers[i] * scale : in_registers[i];
  }
};

}  // namespace cotrain
