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

/* A column called like one of the first gets a name of its own. */
static void put_name(FILE *file, const char *name, const char *const *first, size_t first_count)
{
    putc(',', file);
    put_text(file, name, strlen(name));
    for (size_t i = 0; i < first_count; i++)
        if (strcmp(name, first[i]) == 0)
            fputs("_property", file);
}

static void put_names(FILE *file, const wp_numbers *numbers, uint32_t numbers_count,
                      const wp_texts *texts, uint32_t texts_count, const char *const *first,
                      size_t first_count)
{
    for (size_t i = 0; i < first_count; i++)
        fprintf(file, i > 0 ? ",%s" : "%s", first[i]);
    for (uint32_t i = 0; i < numbers_count; i++)
        put_name(file, numbers[i].name, first, first_count);
    for (uint32_t i = 0; i < texts_count; i++)
        put_name(file, texts[i].name, first, first_count);
    putc('\n', file);
}

/* Numbers and texts of a row, or of a user, and the end of the line. */
static void put_values(FILE *file, const wp_numbers *numbers, uint32_t numbers_count,
                       const wp_texts *texts, uint32_t texts_count, uint32_t row)
{
    for (uint32_t i = 0; i < numbers_count; i++) {
        double number = wp_number_at(&numbers[i], row);
        putc(',', file);
        if (!isnan(number))
            put_number(file, number);
    }
    for (uint32_t i = 0; i < texts_count; i++) {
        putc(',', file);
        put_dictionary_text(file, &texts[i].values, wp_code_at(&texts[i].codes, row));
    }
    putc('\n', file);
}

static void put_row(FILE *file, const wp_columns *c, uint32_t user, uint32_t row)
{
    put_dictionary_text(file, &c->user_ids, user);
    putc(',', file);
    put_dictionary_text(file, &c->event_names, wp_code_at(&c->events, row));
    putc(',', file);
    put_time(file, wp_time_at(&c->times, row));
    put_values(file, c->numbers, c->numbers_count, c->texts, c->texts_count, row);
}

static void put_user(FILE *file, const wp_columns *c, uint32_t user)
{
    put_dictionary_text(file, &c->user_ids, user);
    if (c->known_at_us != NULL) {
        putc(',', file);
        if (c->known_at_us[user] != WP_TIME_MISSING)
            put_time(file, c->known_at_us[user]);
    }
    put_values(file, c->user_numbers, c->user_numbers_count, c->user_texts, c->user_texts_count,
               user);
}

static wp_status write_events(FILE *file, const wp_log *log, const wp_run *run, wp_error *err)
{
    static const char *const first[] = {"user", "event", "time"};
    const wp_columns *c = log->columns;
    put_names(file, c->numbers, c->numbers_count, c->texts, c->texts_count, first, 3);
    for (uint32_t user = 0; user < c->users_count && !ferror(file); user++) {
        if (user % 4096 == 0 && wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
        for (uint32_t row = c->row_starts[user]; row < c->row_starts[user + 1]; row++)
            if (wp_bit(log->rows, row))
                put_row(file, c, user, row);
    }
    return WP_OK;
}

static wp_status write_users(FILE *file, const wp_log *log, const wp_run *run, wp_error *err)
{
    static const char *const first[] = {"user", "known_at"};
    const wp_columns *c = log->columns;
    put_names(file, c->user_numbers, c->user_numbers_count, c->user_texts, c->user_texts_count,
              first, c->known_at_us != NULL ? 2 : 1);
    for (uint32_t user = 0; user < c->users_count && !ferror(file); user++) {
        if (user % 4096 == 0 && wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
        if (wp_bit(log->users, user))
            put_user(file, c, user);
    }
    return WP_OK;
}

wp_status wp_log_export_csv(const wp_log *log, wp_export what, const char *path, const wp_run *run,
                            wp_error *err)
{
    const char *name = path != NULL ? path : "standard output";
    FILE *file = path != NULL ? fopen(path, "wb") : stdout;
    if (file == NULL)
        return wp_fail(err, WP_IO, "%s: %s", name, strerror(errno));
    wp_status status = what == WP_EXPORT_USERS ? write_users(file, log, run, err)
                                               : write_events(file, log, run, err);
    bool failed = fflush(file) != 0 || ferror(file) != 0;
    int reason = errno;
    if (path != NULL && fclose(file) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (status == WP_OK && failed)
        status = wp_fail(err, WP_IO, "%s: %s", name, strerror(reason));
    return status;
}
