// Rows of a pooling, on one instruction set. Compiled once per namespace by for_each_isa.h.
//
// Blocks of `lanes` rows, turned so that the vector runs across rows. Every member is calibrated once per block,
// whoever listens; then every listener adds up those it hears, in their order. (Their sum less the listener's own word
// would be cheaper still, and wrong: beside a loud voice a faint one is lost to rounding.)

#include "cpu/simd_math.inl"

// [C, lanes] from rows [first, first + n). Lanes beyond `n` hold ones and are not written in the end: every row goes
// through the same instructions.
template <typename T>
inline void turn(const Opinion& opinion, std::int64_t n_classes, std::int64_t first, int n, double* z) {
  const char* block = static_cast<const char*>(opinion.data) + first * opinion.row_stride;
  for (int lane = 0; lane < lanes; ++lane) {
    const char* row = block + (lane < n ? lane : 0) * opinion.row_stride;
    for (std::int64_t c = 0; c < n_classes; ++c) {
      T value;
      std::memcpy(&value, row + c * opinion.class_stride, sizeof value);  // wherever it lies
      z[c * lanes + lane] = lane < n ? static_cast<double>(value) : 1.0;
    }
  }
}

// log x with x lifted to `faintest` and cut at 1; NaN stays NaN.
COTRAIN_INLINE double log_within(double x, double faintest) {
  const double lifted = x < faintest ? faintest : x;
  return log_of(lifted > 1.0 ? 1.0 : lifted);
}

// One member's rows [first, first + n) at its temperature, softmax(log prior + evidence / temperature).
//
// evidence : [C, lanes] log p less log prior, 0 where it abstains
// votes    : [C, lanes] 1 where a class is its first choice, or as likely as that
// speaks   : [lanes] 0 or 1
inline void calibrate(const Pooling& pooling, const Opinion& opinion, std::int64_t first, int n, double* z,
                      double* evidence, std::uint8_t* votes, double* speaks) {
  const std::int64_t C = pooling.n_classes;
  const double faintest = pooling.faintest, log_faintest = log_of(faintest), colder = 1.0 / opinion.temperature;
  double peak[lanes], sum[lanes], log_sum[lanes], least[lanes];

  if (opinion.element == Element::float64) turn<double>(opinion, C, first, n, z);
  else turn<float>(opinion, C, first, n, z);

  for (int lane = 0; lane < lanes; ++lane) {
    peak[lane] = lowest;
    sum[lane] = 0.0;
  }
  for (std::int64_t c = 0; c < C; ++c) {
    const double anchor = pooling.log_prior[c];
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double value = anchor + (log_within(z[c * lanes + lane], faintest) - anchor) * colder;
      peak[lane] = value > peak[lane] ? value : peak[lane];
      z[c * lanes + lane] = value;
    }
  }
  for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double shifted = z[c * lanes + lane] - peak[lane];
      const double exponential = exp_of(shifted);
      sum[lane] += exponential;
      evidence[c * lanes + lane] = shifted;
      z[c * lanes + lane] = exponential;
    }
#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) {
    speaks[lane] = sum[lane] == sum[lane] ? 1.0 : 0.0;  // one NaN makes the row's sum NaN
    log_sum[lane] = log_of(sum[lane]);
    least[lane] = 1.0 - pooling.tie * sum[lane];  // the first choice's exponential is 1
  }
  for (std::int64_t c = 0; c < C; ++c) {
    const double anchor = pooling.log_prior[c];
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double told = evidence[c * lanes + lane] - log_sum[lane];
      const double lifted = told < log_faintest ? log_faintest : told;
      evidence[c * lanes + lane] = speaks[lane] > 0.0 ? lifted - anchor : 0.0;
    }
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) votes[c * lanes + lane] = z[c * lanes + lane] >= least[lane] ? 1 : 0;
  }
}

// What one listener hears on rows [first, first + n).
inline void listen(const Pooling& pooling, const Heard& heard, const double* loudness, std::int64_t first, int n,
                   const double* evidence, const std::uint8_t* votes, const double* speaks, double* p) {
  const std::int64_t C = pooling.n_classes;
  const std::int64_t m = pooling.n_members;
  double mass[lanes], factor[lanes], peak[lanes], sum[lanes], second[lanes], with_it[lanes], least[lanes];
  std::int64_t code[lanes], place[lanes];

  for (int lane = 0; lane < lanes; ++lane) mass[lane] = with_it[lane] = second[lane] = sum[lane] = 0.0;
  for (std::int64_t i = 0; i < C * lanes; ++i) p[i] = 0.0;
  for (std::int64_t j = 0; j < m; ++j) {
    const double weight = loudness[j];
    if (!(weight > 0.0)) continue;
    const double* own = evidence + j * C * lanes;
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) mass[lane] += weight * speaks[j * lanes + lane];
    for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) p[c * lanes + lane] += weight * own[c * lanes + lane];
  }

#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) {
    peak[lane] = lowest;
    factor[lane] = mass[lane] > 0.0 ? pooling.voices / mass[lane] : nan;  // nobody speaks: NaN from here on
  }
  for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double value = pooling.log_prior[c] + p[c * lanes + lane] * factor[lane];
      peak[lane] = value > peak[lane] ? value : peak[lane];
      p[c * lanes + lane] = value;
    }
  for (std::int64_t c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double exponential = exp_of(p[c * lanes + lane] - peak[lane]);
      sum[lane] += exponential;
      p[c * lanes + lane] = exponential;
    }
#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) {
    peak[lane] = 0.0;
    factor[lane] = 1.0 / sum[lane];
    least[lane] = factor[lane] - pooling.tie;
    code[lane] = -1;
  }
  for (std::int64_t c = C - 1; c >= 0; --c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double value = p[c * lanes + lane] * factor[lane];
      const double smaller = value > peak[lane] ? peak[lane] : value;
      second[lane] = smaller > second[lane] ? smaller : second[lane];
      peak[lane] = value > peak[lane] ? value : peak[lane];
      code[lane] = value >= least[lane] ? c : code[lane];  // the first of equals: classes are walked backwards
      p[c * lanes + lane] = value;
    }

  for (int lane = 0; lane < lanes; ++lane) place[lane] = (code[lane] < 0 ? 0 : code[lane]) * lanes + lane;
  for (std::int64_t j = 0; j < m; ++j) {
    if (!(loudness[j] > 0.0)) continue;
    const std::uint8_t* own = votes + j * C * lanes;
    for (int lane = 0; lane < lanes; ++lane) with_it[lane] += loudness[j] * own[place[lane]];
  }
  for (int lane = 0; lane < n; ++lane) {
    const bool is_heard = code[lane] >= 0;
    heard.codes[first + lane] = code[lane];
    heard.confidence[first + lane] = is_heard ? peak[lane] : nan;
    heard.margin[first + lane] = is_heard ? peak[lane] - second[lane] : nan;
    heard.agreement[first + lane] = is_heard ? with_it[lane] / mass[lane] : 0.0;
    if (heard.probabilities == nullptr) continue;
    for (std::int64_t c = 0; c < C; ++c) heard.probabilities[(first + lane) * C + c] = p[c * lanes + lane];
  }
}

// Rows [begin, end). `numbers` and `flags` are this thread's: see `Workspace`.
inline void pool_rows(const Pooling& pooling, std::int64_t begin, std::int64_t end, double* numbers,
                      std::uint8_t* flags) {
  const std::int64_t C = pooling.n_classes;
  const std::int64_t m = pooling.n_members;
  double* evidence = numbers;                     // [m, C, lanes]
  double* scratch = evidence + m * C * lanes;     // [C, lanes]
  double* speaks = scratch + C * lanes;           // [m, lanes]
  for (std::int64_t first = begin; first < end; first += lanes) {
    const int n = static_cast<int>(end - first < lanes ? end - first : lanes);
    for (std::int64_t j = 0; j < m; ++j)
      calibrate(pooling, pooling.opinions[j], first, n, scratch, evidence + j * C * lanes,
                flags + j * C * lanes, speaks + j * lanes);
    for (std::int64_t s = 0; s < pooling.n_listeners; ++s)
      listen(pooling, pooling.heard[s], pooling.loudness + s * m, first, n, evidence, flags,
             speaks, scratch);
  }
}
