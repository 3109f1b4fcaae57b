// Work that is shared out among threads beforehand, in runs of equal length.
#pragma once

#include <cstdint>
#include <thread>
#include <vector>

namespace sharing {

// Calls work(begin, end, thread) for runs that together are 0 to count.
template <typename Work>
void parallel(int64_t count, int64_t threads, Work work) {
  if (threads > count) threads = count;
  if (threads <= 1) return work(int64_t(0), count, int64_t(0));
  std::vector<std::thread> pool;
  for (int64_t t = 0; t < threads; ++t)
    pool.emplace_back([=] { work(count * t / threads, count * (t + 1) / threads, t); });
  for (auto& thread : pool) thread.join();
}

}  // namespace sharing
