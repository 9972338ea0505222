// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Seconds of a step by phase, also where the device works behind the host.

#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace packkit::train {

enum class step_phase : std::uint8_t { data, forward, backward, optimizer };

inline constexpr std::size_t step_phases = 4;

/// Times the phases of one step. On a GPU marks are events of the current stream: nothing
/// waits before `stop`.
class phase_timer {
public:
    explicit phase_timer(c10::Device device) : device_(device) {}

    /// `phase` runs from now on.
    void enter(step_phase phase) { marks_.push_back({phase, now()}); }

    /// Seconds of each phase, by number. The device must be idle: whoever calls has just
    /// read a result of the last phase.
    [[nodiscard]] std::array<double, step_phases> stop() {
        auto end = now();
        std::array<double, step_phases> seconds{};
        for (std::size_t i = 0; i < marks_.size(); ++i) {
            const auto& until = i + 1 < marks_.size() ? marks_[i + 1].at : end;
            seconds[static_cast<std::size_t>(marks_[i].phase)] +=
                between(marks_[i].at, until);
        }
        marks_.clear();
        return seconds;
    }

private:
    using clock = std::chrono::steady_clock;
    struct moment {
        clock::time_point host;
        std::optional<c10::Event> device;
    };
    struct mark {
        step_phase phase;
        moment at;
    };

    [[nodiscard]] moment now() const {
        moment made;
        made.host = clock::now();
        if (!device_.is_cpu()) {
            const c10::impl::VirtualGuardImpl stream_of(device_.type());
            made.device.emplace(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
            made.device->record(stream_of.getStream(device_));
        }
        return made;
    }

    [[nodiscard]] double between(const moment& from, const moment& until) const {
        if (until.device) {
            until.device->synchronize();
            return from.device->elapsedTime(*until.device) / 1000.0;
        }
        return std::chrono::duration<double>(until.host - from.host).count();
    }

    c10::Device device_;
    std::vector<mark> marks_;
};

}  // namespace packkit::train
