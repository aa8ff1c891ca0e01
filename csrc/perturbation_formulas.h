// What a perturbation does, element by element: the one place for this mathematics, shared by host and device code.
//
// T is the type that sums are kept in: float for half, bfloat16 and float inputs, double for double.
// Nothing here knows of tensors, strides, threads or instruction sets.
#pragma once

#include <cmath>
#include <limits>

#include "host_device.h"

namespace cotrain {

// -1, 0 or 1. NaN gives 0, as torch.sign does: an unknown slope moves nothing.
template <typename T>
COTRAIN_HD T sign(T value) {
  return (value > T(0) ? T(1) : T(0)) - (value < T(0) ? T(1) : T(0));
}

// max(value, floor) and min(value, ceiling), where a NaN on either side stays NaN (torch.maximum, torch.minimum).
// Two plain selections, because a loop over `&&` does not become vector instructions.
template <typename T>
COTRAIN_HD T at_least(T value, T floor) {
  const T larger = value < floor ? floor : value;
  return floor == floor ? larger : floor;
}

template <typename T>
COTRAIN_HD T at_most(T value, T ceiling) {
  const T smaller = value > ceiling ? ceiling : value;
  return ceiling == ceiling ? smaller : ceiling;
}

// Perturbations. A feature is measured from its clean value in units of its scale: offset u = (x - clean) / scale, with
// slope d loss / d u = gradient * scale. A feature whose scale is not above 0 keeps its clean value.
template <typename T>
COTRAIN_HD T offset_of(T value, T clean, T scale) {
  return scale > T(0) ? (value - clean) / scale : T(0);
}

// NaN gives 0: an unknown slope moves nothing.
template <typename T>
COTRAIN_HD T slope_of(T gradient, T scale) {
  const T slope = scale > T(0) ? gradient * scale : T(0);
  return slope == slope ? slope : T(0);
}

// What a norm sees of an offset. A NaN counts as nothing, so that it spoils its own feature only.
template <typename T>
COTRAIN_HD T seen(T offset) {
  return offset == offset ? offset : T(0);
}

// The last thing done to a value: into the box; or back, where the feature may not move.
template <typename T>
COTRAIN_HD T in_box(T value, T clean, T scale, T lower, T upper) {
  const T boxed = at_most(at_least(value, lower), upper);
  return scale > T(0) ? boxed : clean;
}

// One signed step up the gradient, back into the ball |u| <= epsilon, into the box (Madry et al. 2018, arXiv
// 1706.06083, with the L-infinity ball).
template <typename T>
COTRAIN_HD T linf_step(T perturbed, T clean, T gradient, T scale, T step_size, T epsilon, T lower, T upper) {
  const T moved = perturbed + step_size * scale * sign(gradient);
  const T reach = epsilon * scale;
  const T in_ball = at_most(at_least(moved, clean - reach), clean + reach);
  return in_box(in_ball, clean, scale, lower, upper);
}

// What an l2 step does to every feature of one row: u becomes shrink * (u + slope * lift * rate).
template <typename T>
struct L2Step {
  T lift;    // the power of 2 that brings the slopes' norm near 1, so that no product over- or underflows
  T rate;    // size / (norm * lift); 0 where the slopes have no direction: all 0, or their norm is infinite
  T shrink;  // 1 inside the ball
};

// From the row's sums of u^2, u * slope and slope^2: with t = size / |slope|,
//
//     |u + t * slope|^2 = |u|^2 + 2 t <u, slope> + size^2
//
// so that one look at the row tells the length after the step. The sums are in double, for any T: what cancels here
// is then far below T's rounding, and no square of a float over- or underflows.
template <typename T>
COTRAIN_HD L2Step<T> l2_step_of(double offsets, double product, double slopes, double step_size, double epsilon) {
  const double norm = std::sqrt(slopes);
  const bool has_direction = norm > 0 && norm - norm == 0;
  double length = offsets;
  L2Step<T> step{T(1), T(0), T(1)};
  if (has_direction) {
    constexpr int most = std::numeric_limits<T>::max_exponent - 2;
    const int exponent = std::ilogb(norm);
    const double lift = std::ldexp(1.0, exponent > most ? -most : exponent < -most ? most : -exponent);
    step.lift = static_cast<T>(lift);
    step.rate = static_cast<T>(step_size / (norm * lift));
    length += step_size * (2 * (product / norm) + step_size);
  }
  length = length > 0 ? std::sqrt(length) : 0.0;
  if (!(length <= epsilon)) step.shrink = static_cast<T>(epsilon / length);
  return step;
}

// A row that stays inside the ball is moved from where it is, not rebuilt from its clean value: no step, no change.
// In the feature's own unit, so that nothing is divided: c + scale * shrink * (u + move), with scale * u = x - c.
template <typename T>
COTRAIN_HD T l2_step(T perturbed, T clean, T gradient, T scale, const L2Step<T>& step, T lower, T upper) {
  const T away = perturbed - clean;
  const T move = step.rate == T(0) ? T(0) : scale * (slope_of(gradient, scale) * step.lift * step.rate);
  const T moved = step.shrink == T(1) ? perturbed + move : clean + step.shrink * (away + move);
  return in_box(away == away ? moved : away, clean, scale, lower, upper);
}

// How strongly an l1 step pulls at a feature: |slope|, but 0 where the box leaves no room on the side it points to
// (the candidates of Croce & Hein 2021, arXiv 2103.01208).
template <typename T>
COTRAIN_HD T l1_pull(T perturbed, T gradient, T scale, T step_size, T lower, T upper) {
  const T slope = slope_of(gradient, scale);
  const T rise = step_size < T(0) ? -slope : slope;
  const T room = rise > T(0) ? upper - perturbed : perturbed - lower;
  const T pull = rise < T(0) ? -rise : rise;
  return room > T(0) ? pull : T(0);
}

// What an l1 step does to one row: features pulled by at least `threshold` move by `size` each (SLIDE, Tramer & Boneh
// 2019, arXiv 1904.13000), then every offset comes `shrinkage` nearer to 0 (Duchi et al. 2008); below 0 = inside.
template <typename T>
struct L1Step {
  T step_size;
  T threshold;
  T size;
  T shrinkage;
};

template <typename T>
COTRAIN_HD T l1_move(T perturbed, T gradient, T scale, const L1Step<T>& step, T lower, T upper) {
  const T pull = l1_pull(perturbed, gradient, scale, step.step_size, lower, upper);
  return pull >= step.threshold ? step.size * sign(gradient) : T(0);
}

template <typename T>
COTRAIN_HD T l1_step(T perturbed, T clean, T gradient, T scale, const L1Step<T>& step, T lower, T upper) {
  const T offset = offset_of(perturbed, clean, scale);
  const T move = l1_move(perturbed, gradient, scale, step, lower, upper);
  const T far = offset + move;
  const T near = at_least((far < T(0) ? -far : far) - step.shrinkage, T(0)) * sign(far);
  const T moved = step.shrinkage < T(0) ? perturbed + scale * move : clean + scale * near;
  return in_box(offset == offset ? moved : offset, clean, scale, lower, upper);
}

// A point of the ball: `radius` away from the clean row in a direction of the given norm. 0 / 0 is no direction.
template <typename T>
COTRAIN_HD T placed(T direction, T norm, T clean, T scale, T radius, T lower, T upper) {
  const T offset = norm > T(0) ? radius * (direction / norm) : T(0);
  return in_box(clean + scale * offset, clean, scale, lower, upper);
}

}  // namespace cotrain
