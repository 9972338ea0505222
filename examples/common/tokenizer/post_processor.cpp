// SPDX-License-Identifier: Apache-2.0
#include "post_processor.hpp"

#include "common/errors.hpp"

namespace packkit::app {
namespace {

constexpr std::size_t most_ids = 1024;

/// Appends the ids that a template calls by `name`.
void append_ids(const document_field& special_tokens, const document_field& name,
                std::vector<std::int32_t>& ids) {
    const auto token = special_tokens.find(name.text());
    if (!token) name.fail(in_quotes(name.text()) + " is not in special_tokens");
    const document_field list = token->member("ids");
    for (std::size_t i = 0; i < list.array_size(); ++i)
        ids.push_back(list.element(i).id());
}

/// The id of ["token", id].
std::int32_t id_of_pair(const document_field& field) {
    if (field.array_size() != 2) field.expected("[\"token\", id]");
    return field.element(1).id();
}

}  // namespace

void post_processor::add(const document_field& field) {
    switch (field.member("type").one_of({"TemplateProcessing", "BertProcessing",
                                         "RobertaProcessing", "ByteLevel", "Sequence"})) {
        case 0:
            add_template(field);
            break;
        case 1:
        case 2:
            add_pair(field);
            break;
        case 3:
            break;
        default: {
            const document_field list = field.member("processors");
            for (std::size_t i = 0; i < list.array_size(); ++i)
                add(list.element(i));
        }
    }
    if (before_.size() + behind_.size() > most_ids) {
        field.fail("adds more than " + std::to_string(most_ids) + " ids");
    }
}

void post_processor::add_template(const document_field& field) {
    const document_field single = field.member("single");
    const document_field special_tokens = field.member("special_tokens");
    std::vector<std::int32_t> before;
    std::vector<std::int32_t> behind;
    std::size_t texts = 0;
    for (std::size_t i = 0; i < single.array_size(); ++i) {
        const document_field piece = single.element(i);
        piece.only({"Sequence", "SpecialToken"});
        if (const auto text = piece.find("Sequence")) {
            if (text->member("id").text() != "A") text->member("id").expected("\"A\"");
            ++texts;
        } else {
            append_ids(special_tokens, piece.member("SpecialToken").member("id"),
                       texts == 0 ? before : behind);
        }
        if (before.size() + behind.size() > most_ids) {
            single.fail("adds more than " + std::to_string(most_ids) + " ids");
        }
    }
    if (texts != 1) {
        single.fail("holds the text " + std::to_string(texts) + " times, expected once");
    }
    before_.insert(before_.begin(), before.begin(), before.end());
    behind_.insert(behind_.end(), behind.begin(), behind.end());
}

void post_processor::add_pair(const document_field& field) {
    before_.insert(before_.begin(), id_of_pair(field.member("cls")));
    behind_.push_back(id_of_pair(field.member("sep")));
}

}  // namespace packkit::app
