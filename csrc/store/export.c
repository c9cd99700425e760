/* A log as CSV; see export.h. */
#include "store/export.h"

#include "base/number.h"
#include "base/time.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

static void put_text(FILE *file, const char *text, size_t length)
{
    bool quoted = length > 0 && (text[0] == ' ' || text[length - 1] == ' ' || text[0] == '\t' ||
                                 text[length - 1] == '\t');
    for (size_t i = 0; i < length && !quoted; i++)
        quoted = text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r' ||
                 text[i] == ';' || text[i] == '\t' || text[i] == '|';
    if (!quoted) {
        fwrite(text, 1, length, file);
        return;
    }
    putc('"', file);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            putc('"', file);
        putc(text[i], file);
    }
    putc('"', file);
}

/* The shortest text that reads back to the same number; with a point in any locale. */
static void put_number(FILE *file, double number)
{
    char text[40];
    char point = localeconv()->decimal_point[0];
    for (int digits = 15; digits <= 17; digits++) {
        double back = NAN;
        snprintf(text, sizeof text, "%.*g", digits, number);
        for (char *at = text; *at != '\0'; at++)
            if (*at == point)
                *at = '.';
        if (wp_number_parse(text, strlen(text), &back) && memcmp(&back, &number, sizeof back) == 0)
            break;
    }
    fputs(text, file);
}

static void put_time(FILE *file, int64_t time_us)
{
    /* years 0000 to 9999 */
    if (time_us >= -62167219200000000LL && time_us < 253402300800000000LL) {
        char text[WP_TIME_TEXT];
        size_t length = wp_time_text(time_us, NULL, text);
        fwrite(text, 1, length, file);
    } else {
        fprintf(file, "%lld", (long long)time_us);
    }
}

static void put_dictionary_text(FILE *file, const wp_dictionary *dictionary, uint32_t code)
{
    size_t length;
    const char *text = wp_dictionary_text(dictionary, code, &length);
    put_text(file, text, length);
}

static void put_row(FILE *file, const wp_columns *c, uint32_t user, uint32_t row)
{
    put_dictionary_text(file, &c->user_ids, user);
    putc(',', file);
    put_dictionary_text(file, &c->event_names, wp_code_at(&c->events, row));
    putc(',', file);
    put_time(file, wp_time_at(&c->times, row));
    for (uint32_t i = 0; i < c->numbers_count; i++) {
        double number = wp_number_at(&c->numbers[i], row);
        putc(',', file);
        if (!isnan(number))
            put_number(file, number);
    }
    for (uint32_t i = 0; i < c->texts_count; i++) {
        putc(',', file);
        put_dictionary_text(file, &c->texts[i].values, wp_code_at(&c->texts[i].codes, row));
    }
    putc('\n', file);
}

/* A column called like one of the first three gets a name of its own. */
static void put_name(FILE *file, const char *name)
{
    bool taken =
        strcmp(name, "user") == 0 || strcmp(name, "event") == 0 || strcmp(name, "time") == 0;
    putc(',', file);
    put_text(file, name, strlen(name));
    if (taken)
        fputs("_property", file);
}

static wp_status export_to(FILE *file, const wp_log *log, const char *name, const wp_run *run,
                           wp_error *err)
{
    const wp_columns *c = log->columns;
    fputs("user,event,time", file);
    for (uint32_t i = 0; i < c->numbers_count; i++)
        put_name(file, c->numbers[i].name);
    for (uint32_t i = 0; i < c->texts_count; i++)
        put_name(file, c->texts[i].name);
    putc('\n', file);
    for (uint32_t user = 0; user < c->users_count; user++) {
        if (user % 4096 == 0 && wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
        for (uint32_t row = c->row_starts[user]; row < c->row_starts[user + 1]; row++)
            if (wp_bit(log->rows, row))
                put_row(file, c, user, row);
        if (ferror(file))
            break;
    }
    if (fflush(file) != 0 || ferror(file))
        return wp_fail(err, WP_IO, "%s: %s", name, strerror(errno));
    return WP_OK;
}

wp_status wp_log_export_csv(const wp_log *log, const char *path, const wp_run *run, wp_error *err)
{
    if (path == NULL)
        return export_to(stdout, log, "standard output", run, err);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return wp_fail(err, WP_IO, "%s: %s", path, strerror(errno));
    wp_status status = export_to(file, log, path, run, err);
    if (fclose(file) != 0 && status == WP_OK)
        status = wp_fail(err, WP_IO, "%s: %s", path, strerror(errno));
    return status;
}
