// Losses of single elements (several labels, values), run by run. Formulas: loss_formulas.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "cuda/loss_counting.cuh"
#include "loss_formulas.h"

namespace cotrain {

// One element's loss, and how steep it is. `setting` is Huber's delta.
template <typename Sum>
__device__ Sum element_loss(LossKind kind, Sum x, Sum target, Sum positive, Sum setting, Sum& steep) {
  if (kind == LossKind::binary_cross_entropy) {
    const Sum faded = std::exp(x < Sum(0) ? x : -x);  // exp(-|x|)
    const Sum nearer = Sum(1) / (Sum(1) + faded), further = faded * nearer;
    steep = binary_cross_entropy_slope(target, positive, x < Sum(0) ? further : nearer, x < Sum(0) ? nearer : further);
    return binary_cross_entropy(x, target, positive, std::log1p(faded));
  }
  const Sum difference = x - target;
  if (kind == LossKind::squared_error) {
    steep = Sum(2) * difference;
    return squared_error(difference);
  }
  steep = huber_slope(difference, setting);
  return huber(difference, setting);
}

// Sums of the losses of one thread's elements, and how many count.
struct ElementSums {
  double loss = 0, count = 0;
};

// This thread's part of a run that `rank` of `width` threads share; writes its gradient.
template <typename E>
__device__ ElementSums element_run(const LossHead& head, const Run& run, int rank, int width, double scale) {
  using Sum = typename E::Sum;
  using Raw = typename E::Raw;
  constexpr int at_once = 4;  // elements that a thread reads before it writes: enough reads under way
  const Sum weight = weight_of<Sum>(head, run.sample);
  const Sum nan = std::numeric_limits<Sum>::quiet_NaN();
  const bool is_faulty = !can_be_a_weight(weight);
  const Sum steepness = static_cast<Sum>(scale * double(weight)), setting = static_cast<Sum>(head.setting);
  const Raw* outputs = static_cast<const Raw*>(head.outputs);
  Raw* gradient = static_cast<Raw*>(head.gradient);
  ElementSums sums;
  for (std::int64_t first = run.begin + rank; first < run.end; first += at_once * width) {
    Sum x[at_once], target[at_once];
    bool is_in[at_once];
#pragma unroll
    for (int k = 0; k < at_once; ++k) {
      const std::int64_t item = first + k * width;
      is_in[k] = false;
      x[k] = target[k] = Sum(0);
      if (item >= run.end || !(weight > Sum(0))) continue;
      const ElementPlace place(head, item);
      if (!is_unmasked(head, run.sample, place.c, place.position)) continue;
      target[k] = target_at<E>(head, place.offset(head.targets_at, run.sample));
      x[k] = E::load(outputs[place.offset(head.outputs_at, run.sample)]);
      is_in[k] = target[k] == target[k];  // NaN = missing
    }
#pragma unroll
    for (int k = 0; k < at_once; ++k) {
      const std::int64_t item = first + k * width;
      if (item >= run.end) continue;
      const ElementPlace place(head, item);
      Sum steep;
      const Sum positive = class_weight_of<Sum>(head, place.c);
      const Sum loss = element_loss(head.kind, is_in[k] ? x[k] : Sum(0), is_in[k] ? target[k] : Sum(0), positive,
                                    setting, steep);
      sums.loss += is_in[k] ? double(loss) : 0.0;
      sums.count += is_in[k] ? 1.0 : 0.0;
      if (gradient != nullptr) {
        const Sum slope = is_in[k] ? steep * steepness : Sum(0);
        gradient[place.offset(head.gradient_at, run.sample)] = E::store(is_faulty ? nan : slope);
      }
    }
  }
  if (is_faulty) sums = {double(nan), 1.0};
  return sums;
}

}  // namespace cotrain
