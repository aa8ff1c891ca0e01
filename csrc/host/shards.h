// Shards of rows handed to threads. Threads of this call's own: this library knows nothing of torch, and a thread costs
// some 20 microseconds, a shard of rows a thousand.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace cotrain {

// Calls `worker(begin, end)` on every shard of rows [0, n_rows), each once, in no particular order. `make_worker` is
// called once in each thread; the calling thread is one of them.
template <typename MakeWorker>
void for_each_shard(std::int64_t n_rows, std::int64_t shard_rows, int n_threads, const MakeWorker& make_worker) {
  const std::int64_t n_shards = n_rows / shard_rows + (n_rows % shard_rows != 0);
  std::atomic<std::int64_t> next{0};
  std::exception_ptr fault;
  std::mutex guard;

  const auto work = [&] {
    try {
      auto worker = make_worker();
      for (std::int64_t shard = next++; shard < n_shards; shard = next++) {
        const std::int64_t begin = shard * shard_rows;
        worker(begin, begin + std::min(shard_rows, n_rows - begin));
      }
    } catch (...) {  // out of memory; an exception that leaves a thread would end the process
      const std::lock_guard<std::mutex> held(guard);
      if (!fault) fault = std::current_exception();
    }
  };

  const std::int64_t wanted = std::min<std::int64_t>(n_threads, n_shards) - 1;
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0)));
  try {
    for (std::int64_t i = 0; i < wanted; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // The system grants no more threads; those that there are do the same work.
  }
  if (n_shards > 0) work();
  for (std::thread& helper : helpers) helper.join();
  if (fault) std::rethrow_exception(fault);
}

}  // namespace cotrain
