// exp and log as plain arithmetic, so that a loop over them becomes vector instructions. No guard: once per namespace.
//
// Both are good to about one unit in the last place on the ranges that a softmax needs: exp of z <= 0, log of s >= 1.

// The coefficients of exp(r) for |r| <= ln2 / 2.
template <typename T>
struct ExpSeries;

// 1 + r and then the polynomial of degree 6 with the least largest relative error, 3e-9 (half a unit is 6e-8); found by
// linear programming over 4001 points.
template <>
struct ExpSeries<float> {
  static constexpr int degree = 6;
  static constexpr float of[degree + 1] = {1.0f,           1.0f,           0.49999993448f, 0.16666520632f,
                                           0.04166838804f, 0.00836871689f, 0.00138145987f};
};

// Taylor's: the remainder is (ln2 / 2)^14 / 14! = 4e-18.
template <>
struct ExpSeries<double> {
  static constexpr int degree = 13;
  static constexpr double of[degree + 1] = {1.0,
                                            1.0,
                                            1.0 / 2,
                                            1.0 / 6,
                                            1.0 / 24,
                                            1.0 / 120,
                                            1.0 / 720,
                                            1.0 / 5040,
                                            1.0 / 40320,
                                            1.0 / 362880,
                                            1.0 / 3628800,
                                            1.0 / 39916800,
                                            1.0 / 479001600,
                                            1.0 / 6227020800};
};

template <typename T>
struct Bits;

template <>
struct Bits<float> {
  using Int = std::int32_t;
  using Unsigned = std::uint32_t;
  static constexpr int mantissa = 23;
  static constexpr Int exponent_bias = 127;
  static constexpr float round_to_int = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  static constexpr float smallest_normal = 1.17549435e-38f;
  static constexpr float infinity = __builtin_inff();
  static constexpr float smallest = -88.0296919311f;  // -127 ln2: 2^-127 has the bits of 0
  static constexpr float ln2_high = 0.693359375f;     // few enough bits that n * ln2_high is exact
  static constexpr float ln2_low = -2.12194440e-4f;
  static constexpr int log_terms = 5;    // remainder s^10 / 11 = 2e-9 at s = 0.172
};

template <>
struct Bits<double> {
  using Int = std::int64_t;
  using Unsigned = std::uint64_t;
  static constexpr int mantissa = 52;
  static constexpr Int exponent_bias = 1023;
  static constexpr double round_to_int = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double smallest_normal = 2.2250738585072014e-308;
  static constexpr double infinity = __builtin_inf();
  static constexpr double smallest = -709.0895657128241;  // -1023 ln2
  static constexpr double ln2_high = 0.693145751953125;
  static constexpr double ln2_low = 1.42860682030941723212e-6;
  static constexpr int log_terms = 11;   // remainder s^22 / 23 = 7e-19
};

template <typename To, typename From>
COTRAIN_INLINE To bits_as(From value) {
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}

// exp(z) for z <= 0; exactly 0 below the normal numbers (-inf too), exactly 1 for 0, NaN for NaN.
template <typename T>
COTRAIN_INLINE T exp_of(T z) {
  using B = Bits<T>;
  using Unsigned = typename B::Unsigned;
  const T bounded = z < B::smallest ? B::smallest : z;
  const T shifted = bounded * T(1.4426950408889634) + B::round_to_int;
  const T n = shifted - B::round_to_int;
  const T r = (bounded - n * B::ln2_high) - n * B::ln2_low;
  constexpr int degree = ExpSeries<T>::degree;
  T series = ExpSeries<T>::of[degree];
#pragma GCC unroll 16
  for (int k = degree - 1; k >= 0; --k) series = series * r + ExpSeries<T>::of[k];
  // 2^n: the low bits of `shifted` are n; of the least n that there is, they make 0.
  const Unsigned power = (bits_as<Unsigned>(shifted) + B::exponent_bias) << B::mantissa;
  return series * bits_as<T>(power);
}

// log(s) for a normal s > 0; NaN and +inf stay what they are.
template <typename T>
COTRAIN_INLINE T log_of(T s) {
  using B = Bits<T>;
  using Int = typename B::Int;
  // s = 2^e * m with m in [sqrt(1/2), sqrt(2)), by moving the exponent's border from 1 to sqrt(1/2).
  const Int border = bits_as<Int>(T(0.70710678118654752));
  const Int offset = bits_as<Int>(s) - border;
  const Int e = offset >> B::mantissa;
  const T m = bits_as<T>(bits_as<Int>(s) - e * (Int(1) << B::mantissa));
  const T u = (m - T(1)) / (m + T(1));
  const T u2 = u * u;
  T series = T(1) / T(2 * B::log_terms - 1);  // atanh: log m = 2 (u + u^3 / 3 + u^5 / 5 + ...)
#pragma GCC unroll 16
  for (int k = B::log_terms - 2; k >= 0; --k) series = series * u2 + T(1) / T(2 * k + 1);
  const T exponent = T(e);
  const T value = T(2) * u * series + exponent * B::ln2_low + exponent * B::ln2_high;
  return s - s == T(0) ? value : s;  // NaN and inf
}
