// SPDX-License-Identifier: Apache-2.0
#include "arrow_column.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <span>
#include <string_view>

namespace packkit::app {
namespace {

using arrow::Type;

/// What a row of the column holds. @throws input_error for a type that is none of them
row_content content_of(const arrow::DataType& type, const std::string& place) {
    const arrow::DataType* value = &type;
    if (type.id() == Type::DICTIONARY) {
        value = static_cast<const arrow::DictionaryType&>(type).value_type().get();
    }
    if (arrow::is_integer(value->id())) return row_content::length;
    if (holds_text(value->id())) return row_content::text;
    if (holds_list(type.id()) && arrow::is_integer(type.field(0)->type()->id())) {
        return row_content::ids;
    }
    throw input_error(place, "holds " + type.ToString() +
                                 "; expected integers (lengths), lists of integers "
                                 "(token ids) or strings (text)");
}

std::string_view option_of(row_content content) {
    switch (content) {
        case row_content::length:
            return "--length-field";
        case row_content::text:
            return "--text-field";
        case row_content::ids:
            break;
    }
    return "--ids-field";
}

std::string column_place(const std::string& file, const std::string& column) {
    return file + ": column " + in_quotes(column);
}

/// What a place in a piece of a column is called.
struct piece_place {
    const std::string& file;
    const std::string& column;
    const std::string& part;
    std::int64_t first_row;

    [[nodiscard]] std::string row(std::int64_t i) const {
        return column_place(file, column) + ", " + part + ", row " +
               std::to_string(first_row + i);
    }
};

[[noreturn]] void refuse_null(const piece_place& place, std::int64_t i,
                              const char* expected) {
    throw input_error(place.row(i), std::string("null; expected ") + expected);
}

template <class Integers>
void add_lengths(const Integers& values, const piece_place& place, sample_sink& sink) {
    for (std::int64_t i = 0; values.null_count() > 0 && i < values.length(); ++i) {
        if (values.IsNull(i)) refuse_null(place, i, "a length: a whole number ≥ 1");
    }
    const auto count = static_cast<std::size_t>(values.length());
    sink.add_all(std::span(values.raw_values(), count),
                 [&](std::size_t i) { return place.row(static_cast<std::int64_t>(i)); });
}

/// The lists of `lists` as samples: their ids are checked, their sizes kept.
template <class Lists, class Integers>
void add_id_lists(const Lists& lists, const Integers& integers, const piece_place& place,
                  const row_options& rows, sample_sink& sink) {
    const auto fault = [&](std::int64_t row, std::int64_t k, const std::string& what) {
        throw input_error(place.row(row) + "[" + std::to_string(k) + "]", what);
    };
    using id = typename Integers::value_type;
    // Negative ids are huge ones as unsigned numbers of 64 bits.
    const auto limit = static_cast<std::uint64_t>(
        rows.vocab_size.value_or(std::numeric_limits<std::int64_t>::max()));
    const id* const raw = integers.raw_values();
    for (std::int64_t row = 0; row < lists.length(); ++row) {
        if (lists.IsNull(row)) refuse_null(place, row, "a list of token ids");
        const std::int64_t begin = lists.value_offset(row);
        const std::int64_t count = lists.value_length(row);
        bool all_fine = true;
        for (std::int64_t k = 0; k < count; ++k) {
            all_fine &= static_cast<std::uint64_t>(raw[begin + k]) < limit;
        }
        for (std::int64_t k = 0; (!all_fine || integers.null_count() > 0) && k < count;
             ++k) {
            if (integers.IsNull(begin + k)) {
                fault(row, k, "null is not a token id; expected a whole number ≥ 0");
            }
            const id value = raw[begin + k];
            const std::string shown = "id " + std::to_string(value);
            if (std::cmp_less(value, 0)) {
                fault(row, k, shown + " is negative; expected a whole number ≥ 0");
            }
            if (std::cmp_greater_equal(value, limit)) {
                fault(row, k,
                      shown + " is outside the vocabulary of " + std::to_string(limit) +
                          "; expected an id below");
            }
        }
        const auto at = [&] { return place.row(row); };
        if (count == 0) {
            sink.add_empty(at);
        } else {
            sink.add(count, at);
        }
    }
}

template <class Strings>
void add_texts(const Strings& texts, const piece_place& place,
               const token_counter& count_tokens, sample_sink& sink) {
    for (std::int64_t i = 0; i < texts.length(); ++i) {
        if (texts.IsNull(i)) refuse_null(place, i, "a text");
        const std::string_view text = texts.GetView(i);
        const auto here = [&] { return place.row(i); };
        check_utf8(text, here);
        if (text.empty()) {
            sink.add_empty(here);
        } else {
            sink.add(count_tokens(text), here);
        }
    }
}

/// The values that a dictionary's indices stand for, each on its own.
std::shared_ptr<arrow::Array> without_dictionary(const arrow::Array& values,
                                                 const std::string& place) {
    const auto& coded = static_cast<const arrow::DictionaryArray&>(values);
    const arrow::Array& dictionary = *coded.dictionary();
    const auto builder = value_or_refuse(arrow::MakeBuilder(dictionary.type()), place);
    const auto check = [&](const arrow::Status& status) { require_ok(status, place); };
    check(builder->Reserve(values.length()));
    for (std::int64_t i = 0; i < values.length(); ++i) {
        if (values.IsNull(i)) {
            check(builder->AppendNull());
        } else {
            const std::int64_t at = coded.GetValueIndex(i);
            check(builder->AppendArraySlice(arrow::ArraySpan(*dictionary.data()), at, 1));
        }
    }
    return value_or_refuse(builder->Finish(), place);
}

}  // namespace

column_path find_column(const arrow::Schema& schema, const row_options& rows,
                        const std::string& file) {
    column_path column;
    column.name = rows.column.empty() ? rows.fields.front() : rows.column;
    const bool given = !rows.column.empty() || rows.fields_given;
    if (rows.column.empty() && rows.fields.size() > 1) {
        throw usage_error("--text-field",
                          "several fields cannot be joined from columns; name one");
    }
    if (!given && schema.GetFieldIndex(column.name) < 0 && schema.num_fields() == 1) {
        column.name = schema.field(0)->name();
    }

    const arrow::FieldVector* level = &schema.fields();
    std::string_view rest = column.name;
    const auto position = [&](std::string_view name) {
        for (std::size_t i = 0; i < level->size(); ++i) {
            if ((*level)[i]->name() == name) return static_cast<int>(i);
        }
        return -1;
    };
    for (bool found = false; !found;) {
        // A name may hold points itself: the whole rest first.
        int at = position(rest);
        std::string_view part = rest;
        found = at >= 0;
        if (!found) {
            part = rest.substr(0, rest.find('.'));
            if (part.size() < rest.size()) at = position(part);
        }
        if (at < 0) {
            std::vector<std::string> names;
            for (const auto& field : *level)
                names.push_back(field->name());
            throw input_error(file, "no column " + in_quotes(column.name) +
                                        "; the file has " + names_there(part, names) +
                                        (given ? "" : "; --column names one"));
        }
        const arrow::Field& field = *(*level)[static_cast<std::size_t>(at)];
        column.fields.push_back(at);
        column.type = field.type();
        if (found) break;
        if (column.type->id() != Type::STRUCT) {
            throw input_error(column_place(file, column.name),
                              in_quotes(part) + " holds " + column.type->ToString() +
                                  " and has no fields");
        }
        level = &column.type->fields();
        rest.remove_prefix(part.size() + 1);
    }

    const row_content content = content_of(*column.type, column_place(file, column.name));
    if (rows.column.empty() && rows.fields_given && content != rows.content) {
        throw usage_error(std::string(option_of(rows.content)),
                          "column " + in_quotes(column.name) + " of " + file + " holds " +
                              column.type->ToString());
    }
    if (content == row_content::text && rows.tokenizer.empty()) {
        throw usage_error("--tokenizer", "is missing: column " + in_quotes(column.name) +
                                             " of " + file +
                                             " holds text, as in --tokenizer bytes");
    }
    return column;
}

column_reader::column_reader(column_path column, const row_options& rows,
                             std::string file, sample_sink& sink)
    : column_(std::move(column)),
      rows_(rows),
      file_(std::move(file)),
      sink_(sink),
      count_tokens_(rows.tokenizer.empty() ? token_counter()
                                           : make_token_counter(rows.tokenizer)) {}

void column_reader::read(const arrow::RecordBatch& batch, const std::string& part,
                         std::int64_t first_row) {
    const piece_place place{file_, column_.name, part, first_row};
    // Readers that were asked for one column give that one alone.
    std::shared_ptr<arrow::Array> values =
        batch.column(batch.num_columns() == 1 ? 0 : column_.fields.front());
    const std::string begin = place.row(0);
    for (std::size_t level = 1; level < column_.fields.size(); ++level) {
        const auto& object = static_cast<const arrow::StructArray&>(*values);
        const int field = object.num_fields() == 1 ? 0 : column_.fields[level];
        values = value_or_refuse(object.GetFlattenedField(field), begin);
    }
    if (values->type_id() == Type::DICTIONARY) {
        values = without_dictionary(*values, begin);
    }
    with_type(*values, [&]<Type::type type>(const auto& typed) {
        if constexpr (holds_list(type)) {
            with_type(*typed.values(), [&]<Type::type id>(const auto& ids) {
                if constexpr (arrow::is_integer(id))
                    add_id_lists(typed, ids, place, rows_, sink_);
            });
        } else if constexpr (holds_text(type)) {
            add_texts(typed, place, count_tokens_, sink_);
        } else if constexpr (arrow::is_integer(type)) {
            add_lengths(typed, place, sink_);
        }
    });
}

}  // namespace packkit::app
