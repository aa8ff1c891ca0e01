// What of a head counts on a GPU, and how much; what cannot be.
//
// A sentence about a fault would have to wait for the GPU. So a weight or a class code that cannot be, and counts, makes
// its row and its head's loss NaN, and nothing is read with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "cuda/elements.cuh"
#include "cuda/loss_plan.h"
#include "cuda/teams.cuh"

namespace cotrain {

template <typename Sum>
__device__ Sum class_weight_of(const LossHead& head, std::int64_t c) {
  return head.class_weights == nullptr ? Sum(1) : static_cast<const Sum*>(head.class_weights)[c];
}

template <typename Sum>
__device__ Sum weight_of(const LossHead& head, std::int64_t sample) {
  return head.weights == nullptr ? Sum(1) : static_cast<const Sum*>(head.weights)[sample];
}

template <typename Sum>
__device__ bool can_be_a_weight(Sum weight) {
  return weight >= Sum(0) && weight <= std::numeric_limits<Sum>::max();  // false for NaN
}

__device__ inline bool is_unmasked(const LossHead& head, std::int64_t sample, std::int64_t item,
                                   std::int64_t position) {
  return head.mask == nullptr ||
         head.mask[sample * head.mask_at.sample + item * head.mask_at.item + position * head.mask_at.position];
}

template <typename E>
__device__ typename E::Sum target_at(const LossHead& head, std::int64_t offset) {
  return head.targets_are_elements ? E::load(static_cast<const typename E::Raw*>(head.targets)[offset])
                                   : static_cast<const typename E::Sum*>(head.targets)[offset];
}

// One position of a sample.
template <typename Sum>
struct Spot {
  std::int64_t sample = 0, position = 0;
  bool exists = false;     // else it is a place to fill a team's round
  bool is_live = false;    // counts; its outputs may be read
  bool is_faulty = false;  // counts, and cannot be
  std::int64_t code = 0;   // 0 where there is none
  Sum weight = 0;          // of the sample
};

// `exists` false: what is asked for lies beyond the sample, or the head.
template <typename Sum>
__device__ Spot<Sum> spot_at(const LossHead& head, std::int64_t sample, std::int64_t position, bool exists) {
  Spot<Sum> spot;
  spot.sample = sample;
  spot.position = position;
  spot.exists = exists;
  if (!exists) return spot;
  spot.weight = weight_of<Sum>(head, sample);
  spot.is_faulty = !can_be_a_weight(spot.weight);
  spot.is_live = spot.weight > Sum(0) && !spot.is_faulty && is_unmasked(head, sample, 0, position);
  if (head.codes == nullptr || !spot.is_live) return spot;
  const std::int64_t code = head.codes[sample * head.n_positions + position];
  spot.is_faulty = code != head.ignored_code && (code < 0 || code >= head.n_classes);
  spot.is_live = code != head.ignored_code && !spot.is_faulty;
  spot.code = spot.is_live ? code : 0;
  return spot;
}

// What it adds to the sum that its head's mean is divided by. A class weight counts like a sample weight, as in PyTorch:
// where there are codes.
template <typename Sum>
__device__ double share_of(const LossHead& head, const Spot<Sum>& spot) {
  if (spot.is_faulty) return std::numeric_limits<double>::quiet_NaN();
  if (!spot.is_live) return 0;
  const bool by_class = head.codes != nullptr && head.kind == LossKind::cross_entropy;
  return double(spot.weight) * (by_class ? double(class_weight_of<Sum>(head, spot.code)) : 1.0);
}

// Where element `item` of a sample, in the order [C, P], lies.
struct ElementPlace {
  std::int64_t c, position;

  __device__ ElementPlace(const LossHead& head, std::int64_t item) {
    c = head.n_positions == 1 ? item : item / head.n_positions;
    position = item - c * head.n_positions;
  }

  __device__ std::int64_t offset(const Strides& at, std::int64_t sample) const {
    return sample * at.sample + c * at.item + position * at.position;
  }
};

// A run of a head: a sample, or a part of one.
struct Run {
  std::int64_t number = 0, sample = 0;
  std::int64_t begin = 0, end = 0;  // positions or elements
  bool exists = false;

  __device__ Run(const PlannedHead& head, std::int64_t number, std::int64_t end_of_tile) : number(number) {
    exists = number < end_of_tile;
    if (!exists) return;
    sample = head.n_parts == 1 ? number : number / head.n_parts;
    begin = (number - sample * head.n_parts) * head.part_length;
    const std::int64_t length = is_over_classes(head.kind) ? head.n_positions : head.n_classes * head.n_positions;
    end = begin + head.part_length < length ? begin + head.part_length : length;
  }
};

__device__ inline std::int64_t end_of_tile(const PlannedHead& head, std::int64_t tile) {
  const std::int64_t end = (tile + 1) * head.runs_per_tile;
  return end < n_runs_of(head) ? end : n_runs_of(head);
}

// This thread's part of the shares of a tile (counted from the head's first); NaN where something cannot be.
template <typename E>
__device__ double weigh_tile(const PlannedHead& head, std::int64_t tile) {
  using Sum = typename E::Sum;
  const std::int64_t begin = tile * head.runs_per_tile, end = end_of_tile(head, tile);
  const int thread = static_cast<int>(threadIdx.x);
  double total = 0;
  if (tile == 0 && head.class_weights != nullptr) {
    for (std::int64_t c = thread; c < head.n_classes; c += loss_threads) {
      if (!can_be_a_weight(class_weight_of<Sum>(head, c))) total = std::numeric_limits<double>::quiet_NaN();
    }
  }
  if (is_over_classes(head.kind)) {
    for (std::int64_t i = thread; i < (end - begin) * head.part_length; i += loss_threads) {
      const std::int64_t in_tile = head.part_length == 1 ? i : i / head.part_length;
      const Run run(head, begin + in_tile, end);
      const std::int64_t position = run.begin + i - in_tile * head.part_length;
      total += share_of(head, spot_at<Sum>(head, run.sample, position, position < run.end));
    }
    return total;
  }
  const int rank = thread & (head.run_width - 1);
  for (std::int64_t number = begin + thread / head.run_width; number < end; number += loss_threads / head.run_width) {
    const Run run(head, number, end);
    const Sum weight = weight_of<Sum>(head, run.sample);
    if (!can_be_a_weight(weight)) total = std::numeric_limits<double>::quiet_NaN();
    if (!(weight > Sum(0))) continue;
    std::int64_t count = 0;
    for (std::int64_t item = run.begin + rank; item < run.end; item += head.run_width) {
      const ElementPlace place(head, item);
      const Sum target = target_at<E>(head, place.offset(head.targets_at, run.sample));
      count += is_unmasked(head, run.sample, place.c, place.position) && target == target;
    }
    total += double(weight) * double(count);
  }
  return total;
}

}  // namespace cotrain
