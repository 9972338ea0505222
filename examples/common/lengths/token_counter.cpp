// SPDX-License-Identifier: Apache-2.0
#include "token_counter.hpp"

#include "common/errors.hpp"
#include "common/tokenizer.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace packkit::app {
namespace {

/// The tokenizer of that name; the last one is kept, for the next of several inputs.
std::shared_ptr<const tokenizer> shared_tokenizer(const std::string& name) {
    static std::mutex mutex;
    static std::shared_ptr<const tokenizer> last;
    const std::lock_guard lock(mutex);
    if (!last || last->name() != name) last = load_tokenizer(name);
    return last;
}

}  // namespace

token_counter make_token_counter(const std::string& name) {
    std::shared_ptr<const tokenizer> tokens;
    try {
        tokens = shared_tokenizer(name);
    } catch (const input_error& fault) { throw usage_error("--tokenizer", fault.what()); }
    return [tokens](std::string_view text) {
        thread_local std::vector<std::int32_t> ids;
        ids.clear();
        encode_document(*tokens, text, ids);
        return static_cast<std::int64_t>(ids.size());
    };
}

}  // namespace packkit::app
