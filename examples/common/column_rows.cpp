// SPDX-License-Identifier: Apache-2.0
#include "column_rows.hpp"

#include "common/arrow_batches.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace packkit::app {
namespace {

using arrow::Type;

/// Structs and lists inside one another; more is no data set.
constexpr int most_levels = 64;

/// Whether values of this type can be told in JSON. A field of a struct may hold what
/// cannot, as long as it is null.
bool is_known(const arrow::DataType& type, int level = 0) {
    if (level > most_levels) return false;
    switch (type.id()) {
        case Type::NA:
        case Type::BOOL:
        case Type::FLOAT:
        case Type::DOUBLE:
            return true;
        case Type::STRUCT:
            return level < most_levels;
        case Type::DICTIONARY:
            return is_known(*static_cast<const arrow::DictionaryType&>(type).value_type(),
                            level + 1);
        default:
            if (holds_list(type.id())) return is_known(*type.field(0)->type(), level + 1);
            return holds_text(type.id()) || holds_bytes(type.id()) ||
                   arrow::is_integer(type.id());
    }
}

[[noreturn]] void refuse_type(const std::string& place, const arrow::DataType& type) {
    throw input_error(place, "holds " + type.ToString() +
                                 "; expected texts, numbers, true or false, or lists or "
                                 "structs of these");
}

/// Where a value stands; its text is made for messages only.
struct value_place {
    const arrow_batches& batches;
    const std::string& column;
    std::int64_t row;  ///< in the batch

    [[nodiscard]] std::string text() const {
        return batches.file() + ": " + batches.part() + ", row " +
               std::to_string(batches.first_row() + row) + ": column " +
               in_quotes(column);
    }
};

json value_of(const arrow::Array& array, std::int64_t i, const value_place& place) {
    if (array.IsNull(i)) return nullptr;
    json result;
    with_type(array, [&]<Type::type type>(const auto& values) {
        if constexpr (type == Type::BOOL || type == Type::FLOAT || type == Type::DOUBLE) {
            result = values.Value(i);
        } else if constexpr (arrow::is_integer(type)) {
            // As the reader of JSON makes them: unsigned unless negative.
            const auto value = values.Value(i);
            if (std::cmp_less(value, 0)) {
                result = static_cast<std::int64_t>(value);
            } else {
                result = static_cast<std::uint64_t>(value);
            }
        } else if constexpr (holds_text(type) || holds_bytes(type)) {
            check_utf8(values.GetView(i), [&] { return place.text(); });
            result = std::string(values.GetView(i));
        } else if constexpr (holds_list(type)) {
            result = json::array();
            const std::int64_t begin = values.value_offset(i);
            for (std::int64_t k = begin; k < begin + values.value_length(i); ++k)
                result.push_back(value_of(*values.values(), k, place));
        } else if constexpr (type == Type::STRUCT) {
            result = json::object();
            for (int f = 0; f < values.num_fields(); ++f) {
                json value = value_of(*values.field(f), i, place);
                if (!value.is_null())
                    result[values.struct_type()->field(f)->name()] = std::move(value);
            }
        } else if constexpr (type == Type::DICTIONARY) {
            result = value_of(*values.dictionary(), values.GetValueIndex(i), place);
        } else {
            refuse_type(place.text(), *values.type());
        }
    });
    return result;
}

std::unique_ptr<arrow_batches> open(const std::string& path, column_format format) {
    input_file file(path);
    return format == column_format::parquet ? open_parquet(std::move(file))
                                            : open_arrow(std::move(file));
}

}  // namespace

struct column_row_reader::state {
    state(const std::string& path, column_format format)
        : batches(open(path, format)), names(batches->schema()->field_names()) {
        std::error_code unknown;
        const auto size = std::filesystem::file_size(path, unknown);
        if (!unknown) bytes = size;
    }

    std::unique_ptr<arrow_batches> batches;
    std::vector<std::string> names;
    std::vector<std::string> selected;
    std::shared_ptr<arrow::RecordBatch> batch;
    std::vector<std::shared_ptr<arrow::Array>> columns;  // of the batch, as selected
    std::int64_t row = 0;                                // in the batch
    std::uint64_t bytes = 0;
};

column_row_reader::column_row_reader(const std::string& path, column_format format)
    : state_(std::make_unique<state>(path, format)) {}

column_row_reader::~column_row_reader() = default;

const std::vector<std::string>& column_row_reader::columns() const {
    return state_->names;
}

bool column_row_reader::has_column(const std::string& name) const {
    return std::find(state_->names.begin(), state_->names.end(), name) !=
           state_->names.end();
}

void column_row_reader::select(std::span<const std::string> names) {
    const auto& all = state_->names;
    const std::string& file = state_->batches->file();
    std::vector<field_path> fields;
    for (const std::string& name : names) {
        const auto found = std::find(all.begin(), all.end(), name);
        if (found == all.end()) {
            throw input_error(file, "no column " + in_quotes(name) + "; the file has " +
                                        names_there(name, all));
        }
        const std::string place = file + ": column " + in_quotes(name);
        if (std::count(all.begin(), all.end(), name) > 1)
            throw input_error(place, "is there more than once");
        const int at = static_cast<int>(found - all.begin());
        const auto& type = *state_->batches->schema()->field(at)->type();
        if (!is_known(type)) refuse_type(place, type);
        fields.push_back({at});
    }
    state_->selected.assign(names.begin(), names.end());
    state_->batches->select(fields, "");
}

bool column_row_reader::next(json& row) {
    auto& s = *state_;
    ++s.row;
    while (s.batch == nullptr || s.row >= s.batch->num_rows()) {
        s.batch = s.batches->next();
        if (s.batch == nullptr) return false;
        s.row = 0;
        s.columns.clear();
        for (const std::string& name : s.selected) {
            const int at = s.batch->schema()->GetFieldIndex(name);
            s.columns.push_back(s.batch->column(at));
        }
    }
    row = json::object();
    for (std::size_t c = 0; c < s.columns.size(); ++c) {
        row[s.selected[c]] =
            value_of(*s.columns[c], s.row, {*s.batches, s.selected[c], s.row});
    }
    return true;
}

std::string column_row_reader::place() const {
    const auto& s = *state_;
    return s.batches->file() + ": " + s.batches->part() + ", row " +
           std::to_string(s.batches->first_row() + s.row);
}

std::uint64_t column_row_reader::bytes_read() const {
    const auto total = state_->batches->total();
    if (total == 0) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(state_->bytes) *
                                      static_cast<double>(state_->batches->done()) /
                                      static_cast<double>(total));
}

}  // namespace packkit::app
