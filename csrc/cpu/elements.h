// How each number type is read from memory, computed with, and written back.
//
// The half types go through their bits, so that a loop over them holds integers and floats only and becomes
// vector instructions.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cstdint>

#include "cpu/isa.h"

namespace cotrain {

template <typename T>
struct Plain {
  using Raw = T;  // as it lies in memory
  using Sum = T;  // as it is computed with
  static COTRAIN_INLINE Sum load(Raw raw) { return raw; }
  static COTRAIN_INLINE Raw store(Sum value) { return value; }
};

struct Half16 {
  using Raw = std::uint16_t;
  using Sum = float;
  static COTRAIN_INLINE Sum load(Raw raw) {
    return static_cast<float>(c10::Half(raw, c10::Half::from_bits()));
  }
  static COTRAIN_INLINE Raw store(Sum value) { return c10::Half(value).x; }
};

struct Brain16 {
  using Raw = std::uint16_t;
  using Sum = float;
  static COTRAIN_INLINE Sum load(Raw raw) {
    return static_cast<float>(c10::BFloat16(raw, c10::BFloat16::from_bits()));
  }
  static COTRAIN_INLINE Raw store(Sum value) { return c10::BFloat16(value).x; }
};

}  // namespace cotrain
