// SPDX-License-Identifier: Apache-2.0
#include "data/row_source.hpp"

#include "common/column_rows.hpp"
#include "common/compressed_file.hpp"
#include "common/csv.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/json_rows.hpp"

#include <algorithm>
#include <utility>

namespace packkit::train {
namespace {

using app::json;

/// Rows of JSON.
class json_source : public row_source {
public:
    explicit json_source(const std::string& file)
        : rows_(app::open_data_file(file)),
          is_json_(app::without_compression(file).ends_with(".json")) {}

    bool next(json& row) override {
        line_before_ = rows_.line_number();
        try {
            return rows_.next(row);
        } catch (const app::json_syntax_error& error) {
            const bool whole = !rows_.is_array() && rows_.line_number() == 1;
            if (!whole || !is_json_) throw;
            const std::string place = rows_.place();
            throw app::input_error(
                place, std::string(error.what()).substr(place.size() + 2) +
                           "; a .json file is an array of objects, or has an object a "
                           "line");
        }
    }
    // A file that cannot be read gets no further.
    [[nodiscard]] bool passes_over_errors() const override {
        return rows_.is_array() || rows_.line_number() != line_before_;
    }
    [[nodiscard]] std::string place() const override { return rows_.place(); }
    [[nodiscard]] std::uint64_t bytes_read() const override { return rows_.bytes_read(); }

private:
    app::json_row_reader rows_;
    bool is_json_;
    std::size_t line_before_ = 0;
};

/// Rows of comma-separated values.
class csv_source : public row_source {
public:
    explicit csv_source(const std::string& file) : rows_(app::open_data_file(file)) {}

    bool next(json& row) override { return rows_.next(row); }
    [[nodiscard]] std::string place() const override { return rows_.place(); }
    [[nodiscard]] std::uint64_t bytes_read() const override { return rows_.bytes_read(); }
    [[nodiscard]] const std::vector<std::string>& columns() const {
        return rows_.columns();
    }

private:
    app::csv_reader rows_;
};

app::column_format column_format_of(file_format format) {
    return format == file_format::arrow ? app::column_format::arrow
                                        : app::column_format::parquet;
}

/// Rows of Parquet and Arrow files.
class column_source : public row_source {
public:
    column_source(const std::string& file, file_format format, const row_keys& keys)
        : rows_(file, column_format_of(format)) {
        std::vector<std::string> columns;
        const auto add = [&](const std::string& name) {
            if (std::find(columns.begin(), columns.end(), name) == columns.end())
                columns.push_back(name);
        };
        for (const std::string& key : keys.needed)
            add(column_of(key));
        for (const std::string& key : keys.optional) {
            if (rows_.has_column(column_of(key))) add(column_of(key));
        }
        rows_.select(columns);
    }

    bool next(json& row) override { return rows_.next(row); }
    [[nodiscard]] std::string place() const override { return rows_.place(); }
    [[nodiscard]] std::uint64_t bytes_read() const override { return rows_.bytes_read(); }

private:
    /// A key with points in its name goes before a path.
    [[nodiscard]] std::string column_of(const std::string& key) const {
        return rows_.has_column(key) ? key : key.substr(0, key.find('.'));
    }

    app::column_row_reader rows_;
};

json text_row(std::string_view text) {
    return {{"text", text}};
}

/// Lines of a text.
class line_source : public row_source {
public:
    explicit line_source(const std::string& file) : lines_(app::open_data_file(file)) {}

    bool next(json& row) override {
        std::string_view line;
        if (!lines_.next(line)) return false;
        row = text_row(line);
        return true;
    }
    [[nodiscard]] std::string place() const override { return lines_.place(); }
    [[nodiscard]] std::uint64_t bytes_read() const override {
        return lines_.bytes_read();
    }

private:
    app::line_reader lines_;
};

/// Lines up to a blank one, joined by line feeds. Blank lines are no empty samples.
class paragraph_source : public row_source {
public:
    explicit paragraph_source(const std::string& file)
        : lines_(app::open_data_file(file)) {}

    bool next(json& row) override {
        std::string paragraph;
        for (std::string_view line; lines_.next(line);) {
            if (line.find_first_not_of(" \t") == std::string_view::npos) {
                if (!paragraph.empty()) break;
                continue;
            }
            if (paragraph.empty()) {
                place_ = lines_.place();
            } else {
                paragraph += '\n';
            }
            paragraph += line;
        }
        row = text_row(paragraph);
        return !paragraph.empty();
    }
    [[nodiscard]] std::string place() const override { return place_; }
    [[nodiscard]] std::uint64_t bytes_read() const override {
        return lines_.bytes_read();
    }

private:
    app::line_reader lines_;
    std::string place_;
};

/// A text as one row.
class document_source : public row_source {
public:
    explicit document_source(const std::string& file)
        : file_(app::open_data_file(file)) {}

    bool next(json& row) override {
        if (std::exchange(read_, true)) return false;
        const std::string text = app::read_file(file_);
        bytes_ = file_.source() != nullptr ? file_.source()->bytes_taken() : text.size();
        row = text_row(text);
        return true;
    }
    [[nodiscard]] std::string place() const override { return file_.name(); }
    [[nodiscard]] std::uint64_t bytes_read() const override { return bytes_; }

private:
    app::input_file file_;
    std::uint64_t bytes_ = 0;
    bool read_ = false;
};

std::unique_ptr<row_source> open_text(const std::string& file, text_unit sample_by) {
    switch (sample_by) {
        case text_unit::paragraph:
            return std::make_unique<paragraph_source>(file);
        case text_unit::document:
            return std::make_unique<document_source>(file);
        case text_unit::line:
            break;
    }
    return std::make_unique<line_source>(file);
}

}  // namespace

std::unique_ptr<row_source> open_rows(const std::string& file, file_format format,
                                      text_unit sample_by, const row_keys& keys) {
    switch (format) {
        case file_format::parquet:
        case file_format::arrow:
            return std::make_unique<column_source>(file, format, keys);
        case file_format::text:
            return open_text(file, sample_by);
        case file_format::csv:
            return std::make_unique<csv_source>(file);
        case file_format::json:
            break;
    }
    return std::make_unique<json_source>(file);
}

std::vector<std::string> keys_of_rows(const std::string& file, file_format format,
                                      text_unit sample_by) {
    if (format == file_format::parquet || format == file_format::arrow)
        return app::column_row_reader(file, column_format_of(format)).columns();
    if (format == file_format::csv) return csv_source(file).columns();
    std::vector<std::string> keys;
    json row;
    if (open_rows(file, format, sample_by, {})->next(row) && row.is_object()) {
        for (const auto& [key, value] : row.items())
            keys.push_back(key);
    }
    return keys;
}

}  // namespace packkit::train
