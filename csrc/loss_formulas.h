// What each kind of loss costs and how steep it is, element by element: the one place for this mathematics, shared by
// host and device code.
//
// T is the type that sums are kept in: float for half, bfloat16 and float outputs, double for double.
// Nothing here knows of tensors, strides, threads or instruction sets.
#pragma once

#include "host_device.h"

namespace cotrain {

// Losses over classes, in the terms of the shifted logits z = x - max(x) <= 0 and a target q that need not sum to 1:
//
//     loss = sum_c q_c * (log sum_k exp(z_k) - z_c) = mass * log(1 + rest) + shortfall
//     mass = sum_c q_c      shortfall = sum_c q_c * (-z_c)      rest = sum_k exp(z_k) without one largest, which is 1
//
// Every summand is >= 0, so nothing cancels. A class code is the case mass = q[code], shortfall = -mass * z[code].
template <typename T>
COTRAIN_HD T cross_entropy(T mass, T log_sum, T shortfall) {
  return mass * log_sum + shortfall;
}

// One class's share of the shortfall. A class of probability 0 adds nothing, even where its logit is -inf.
template <typename T>
COTRAIN_HD T shortfall_term(T target, T shifted) {
  return target == T(0) ? T(0) : -target * shifted;
}

// sum_{k != c} exp(z_k) for the class whose exponential is given. That of a largest one is summed without it:
// of a row that is told right and surely the rest is all that there is to learn, and sum - 1 would be rounding.
template <typename T>
COTRAIN_HD T sum_of_others(T exponential, T rest) {
  return exponential == T(1) ? rest : (T(1) - exponential) + rest;
}

// d loss / d x_c = mass * p_c - q_c, with p = softmax(x), times sum_k exp(z_k). Without a subtraction of near equals:
// mass - q_c is 0 where the target is one class.
template <typename T>
COTRAIN_HD T cross_entropy_slope(T mass, T exponential, T others, T target) {
  return exponential * (mass - target) - target * others;
}

// Focal loss of the right class, -(1 - p)^gamma * log p (Lin et al. 2017, arXiv 1708.02002, equation 4), and what the
// gradient of -log p is to be multiplied with. `missing` is 1 - p, `surprise` is -log p, `power` is missing^gamma.
template <typename T>
COTRAIN_HD T focal_loss(T surprise, T power) {
  // Where nothing is missing there is no loss, however it is rounded.
  return power == T(0) ? T(0) : power * surprise;
}

template <typename T>
COTRAIN_HD T focal_slope(T missing, T surprise, T power, T gamma) {
  // surprise / missing goes to 1 as the row becomes sure.
  const T ratio = missing > T(0) ? surprise / missing : T(1);
  return power == T(0) ? T(0) : power * (T(1) + gamma * (T(1) - missing) * ratio);
}

// Binary cross-entropy of one output x with target t in [0, 1], a positive counting `positive` times:
//     -positive * t * log sigmoid(x) - (1 - t) * log sigmoid(-x)
// `softplus` is log(1 + exp(-|x|)), `sigmoid` and `opposite` are sigmoid(x) and sigmoid(-x).
template <typename T>
COTRAIN_HD T binary_cross_entropy(T x, T target, T positive, T softplus) {
  const T unlike_positive = (x < T(0) ? -x : T(0)) + softplus;  // -log sigmoid(x)
  const T unlike_negative = (x < T(0) ? T(0) : x) + softplus;   // -log sigmoid(-x)
  return shortfall_term(positive * target, -unlike_positive) + shortfall_term(T(1) - target, -unlike_negative);
}

template <typename T>
COTRAIN_HD T binary_cross_entropy_slope(T target, T positive, T sigmoid, T opposite) {
  return (T(1) - target) * sigmoid - positive * target * opposite;
}

// Squared error, and Huber's (1964, Annals of Mathematical Statistics 35, section 3): linear beyond delta.
template <typename T>
COTRAIN_HD T squared_error(T difference) {
  return difference * difference;
}

template <typename T>
COTRAIN_HD T huber(T difference, T delta) {
  const T size = difference < T(0) ? -difference : difference;
  return size <= delta ? T(0.5) * difference * difference : delta * (size - T(0.5) * delta);
}

template <typename T>
COTRAIN_HD T huber_slope(T difference, T delta) {
  const T below = difference < -delta ? -delta : difference;
  return below > delta ? delta : below;
}

}  // namespace cotrain
