// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The last step of a tokenizer.json: the ids around a text.

#include "common/document_field.hpp"

#include <cstdint>
#include <vector>

namespace packkit::app {

/// The steps of `post_processor`: TemplateProcessing, BertProcessing, RobertaProcessing,
/// ByteLevel (which only moves offsets), Sequence. Together they put some ids before the
/// text and some behind it.
class post_processor {
public:
    post_processor() = default;  ///< adds nothing
    /// @throws input_error for a step that is not known, by its name.
    explicit post_processor(const document_field& field) { add(field); }

    [[nodiscard]] const std::vector<std::int32_t>& before() const { return before_; }
    [[nodiscard]] const std::vector<std::int32_t>& behind() const { return behind_; }

private:
    void add(const document_field& field);
    void add_template(const document_field& field);
    void add_pair(const document_field& field);

    std::vector<std::int32_t> before_;
    std::vector<std::int32_t> behind_;
};

}  // namespace packkit::app
