// SPDX-License-Identifier: Apache-2.0
/// @file
/// plan_billion FILE.npy [COUNT [CAPACITY]]
///
/// First-fit decreasing of a file of int32 lengths that is mapped, not read: the plan
/// alone, then with the sample ids of any bin. COUNT log-normal lengths are written when
/// there is no such file yet. Prints, for each stage, wall time and the memory that the
/// process held at most: anonymous memory, which is its own, apart from pages of the
/// file, which the kernel takes back when it needs them.

#include "lengths.hpp"
#include "npy.hpp"

#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

namespace {

/// Bytes of a line of /proc/self/status, such as "VmHWM:". 0 where there is none.
double status_bytes(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        double kilobytes = 0;
        if (word == key && status >> kilobytes) return 1024.0 * kilobytes;
    }
    return 0;
}

/// Prints a line a stage.
class stages {
public:
    explicit stages(std::size_t samples) : samples_(static_cast<double>(samples)) {
        std::printf("%-34s %9s %10s %14s %14s %14s %12s\n", "stage", "seconds",
                    "ns/sample", "own MB now", "bytes/sample", "file MB now",
                    "peak RSS MB");
    }
    void done(const char* name) {
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - since_).count();
        const double own = status_bytes("RssAnon:");
        most_own_ = own > most_own_ ? own : most_own_;
        std::printf("%-34s %9.3f %10.3f %14.1f %14.4f %14.1f %12.1f\n", name, seconds,
                    seconds * 1e9 / samples_, own / 1e6, own / samples_,
                    status_bytes("RssFile:") / 1e6, status_bytes("VmHWM:") / 1e6);
        std::fflush(stdout);
        since_ = std::chrono::steady_clock::now();
    }
    [[nodiscard]] double most_own() const { return most_own_; }

private:
    double samples_;
    double most_own_ = 0;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

/// Whether the samples of `bin` are of the lengths that the plan gives it, and fit.
bool bin_is_right(std::size_t bin, const packkit::packing_plan& plan,
                  const packkit::samples_by_length& samples,
                  std::span<const std::int32_t> lengths, std::int64_t capacity) {
    const packkit::bin_run& run = plan.run_of(bin);
    std::int64_t load = 0;
    for (const packkit::placement& p : plan.placements_of(run)) {
        const std::uint32_t* ids =
            samples.of(p.length) + p.start + (bin - p.first_bin) * std::size_t{p.per_bin};
        for (std::uint32_t k = 0; k < p.per_bin; ++k) {
            if (lengths[ids[k]] != static_cast<std::int32_t>(p.length)) return false;
            load += p.length;
        }
    }
    return load <= capacity;
}

int run(int argc, char** argv) {
    if (argc < 2 || argc > 4) {
        std::fprintf(stderr, "usage: plan_billion FILE.npy [COUNT [CAPACITY]]\n");
        return 2;
    }
    const std::string path = argv[1];
    const std::size_t count = argc > 2 ? std::stoull(argv[2]) : 1'000'000'000;
    const std::int64_t capacity = argc > 3 ? std::stoll(argv[3]) : 4096;
    if (!std::ifstream(path)) {
        std::fprintf(stderr, "writing %zu lengths to %s\n", count, path.c_str());
        bench::write_npy(path, count, [capacity](std::size_t i) {
            return bench::lognormal_length(i, capacity, bench::seed);
        });
    }

    const bench::npy_file file(path);
    const auto lengths = file.values();
    std::printf("%zu lengths, capacity %lld\n", lengths.size(),
                static_cast<long long>(capacity));
    stages stage(lengths.size());
    const auto counts = packkit::count_lengths(lengths, capacity);
    stage.done("count the lengths of the file");
    const auto plan =
        packkit::plan_first_fit_decreasing(counts, static_cast<std::uint32_t>(capacity));
    stage.done("plan first-fit decreasing");
    const double plan_bytes = stage.most_own();

    std::int64_t tokens = 0;
    for (std::size_t s = 0; s < counts.count.size(); ++s)
        tokens += static_cast<std::int64_t>(s) * counts.count[s];
    const auto bound = static_cast<std::size_t>((tokens + capacity - 1) / capacity);
    std::printf("%zu bins in %zu runs, L1 %zu: gap %.2e\n", plan.size(),
                plan.runs().size(), bound,
                static_cast<double>(plan.size()) / static_cast<double>(bound) - 1.0);

    const packkit::samples_by_length samples(lengths, counts);
    stage.done("sort sample ids by length");
    constexpr std::size_t looks = 100'000;
    for (std::size_t look = 0; look < looks; ++look) {
        const auto bin = static_cast<std::size_t>(
            packkit::random_below(plan.size(), bench::seed, look, 3));
        if (!bin_is_right(bin, plan, samples, lengths, capacity)) {
            std::fprintf(stderr, "plan_billion: bin %zu is wrong\n", bin);
            return 1;
        }
    }
    stage.done("100,000 bins at random, checked");
    const auto per_sample = [&](double bytes) {
        return bytes / static_cast<double>(lengths.size());
    };
    std::printf(
        "own memory at most, of the stages' ends: plan %.4f, with ids of any bin "
        "%.4f bytes a sample; peak RSS, file pages included: %.4f\n",
        per_sample(plan_bytes), per_sample(stage.most_own()),
        per_sample(status_bytes("VmHWM:")));
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    return run(argc, argv);
} catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "plan_billion: %s\n", error.what());
    return 2;
} catch (const std::exception& error) {
    std::fprintf(stderr, "plan_billion: %s\n", error.what());
    return 1;
}
