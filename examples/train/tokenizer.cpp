// SPDX-License-Identifier: Apache-2.0
#include "tokenizer.hpp"

#include "common/errors.hpp"

namespace packkit::train {

std::vector<std::int32_t> tokenizer::encode(std::string_view text, bool add_bos,
                                            bool add_eos) const {
    std::vector<std::int32_t> ids;
    encode(text, add_bos, add_eos, ids);
    return ids;
}

void byte_tokenizer::encode(std::string_view text, bool add_bos, bool add_eos,
                            std::vector<std::int32_t>& ids) const {
    // No exact reserve(): it would make repeated appending quadratic.
    if (add_bos) ids.push_back(bos_id());
    for (const char byte : text)
        ids.push_back(static_cast<unsigned char>(byte));
    if (add_eos) ids.push_back(eos_id());
}

std::string byte_tokenizer::decode(std::span<const std::int32_t> ids) const {
    std::string text;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int32_t id = ids[i];
        if (id < 0 || id >= vocab_size()) {
            throw app::input_error("token " + std::to_string(i),
                                   "id " + std::to_string(id) + ", the vocabulary has " +
                                       std::to_string(vocab_size()));
        }
        if (id < 256) text += static_cast<char>(static_cast<unsigned char>(id));
    }
    return text;
}

std::string tokenizer_type_problem(std::string_view tokenizer_type) {
    if (tokenizer_type == "bytes") return {};
    return app::in_quotes(tokenizer_type) + " is not supported; expected bytes";
}

std::unique_ptr<const tokenizer> load_tokenizer(const std::string& tokenizer_type) {
    if (const auto problem = tokenizer_type_problem(tokenizer_type); !problem.empty()) {
        throw app::input_error("tokenizer_type", problem);
    }
    return std::make_unique<const byte_tokenizer>();
}

}  // namespace packkit::train
