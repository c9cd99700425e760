/* Pseudonyms; see pseudonym.h. */
#include "store/pseudonym.h"

#include "base/memory.h"
#include "base/siphash.h"
#include "store/build.h"

#define DIGITS (WP_PSEUDONYM_BYTES - 1)

wp_pseudonym_key wp_pseudonym_key_of(const char *text, size_t length)
{
    static const uint64_t first[2] = {1, 2}, second[2] = {3, 4};
    return (wp_pseudonym_key){{wp_siphash(first, text, length), wp_siphash(second, text, length)}};
}

void wp_pseudonym(const wp_pseudonym_key *key, const char *id, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t hash = wp_siphash(key->words, id, length);
    for (unsigned i = 0; i < DIGITS; i++)
        out[i] = digits[hash >> (60 - 4 * i) & 15];
    out[DIGITS] = '\0';
}

static wp_status check_distinct(const wp_dictionary *ids, wp_error *err)
{
    wp_dictionary_index index = {0};
    WP_TRY(wp_dictionary_index_build(ids, &index, err));
    wp_status status = WP_OK;
    for (uint32_t user = 0; user < ids->count && status == WP_OK; user++)
        if (wp_dictionary_index_find(ids, &index, ids->bytes + ids->offsets[user], DIGITS) != user)
            status =
                wp_fail(err, WP_INVALID,
                        "pseudonymise: two ids have the same pseudonym (expected another key)");
    wp_free(index.slots);
    return status;
}

wp_status wp_log_pseudonymise(wp_log *log, const wp_pseudonym_key *key, const wp_run *run,
                              wp_error *err)
{
    wp_columns *columns = log->columns;
    uint32_t count = columns->user_ids.count;
    if (columns->loader != NULL || atomic_load(&columns->references) != 1)
        return wp_fail(err, WP_INVALID, "pseudonymise: the log is in use (expected a new one)");
    wp_dictionary ids = {.count = count};
    ids.offsets = wp_alloc_array((size_t)count + 1, sizeof *ids.offsets);
    ids.bytes = wp_alloc((size_t)count * DIGITS + 1);
    wp_status status = ids.offsets != NULL && ids.bytes != NULL
                           ? WP_OK
                           : wp_fail_memory(err, (unsigned long long)count * DIGITS);
    for (uint32_t user = 0; status == WP_OK && user < count; user++) {
        size_t length;
        const char *id = wp_dictionary_text(&columns->user_ids, user, &length);
        ids.offsets[user] = (uint64_t)user * DIGITS;
        wp_pseudonym(key, id, length, ids.bytes + (size_t)user * DIGITS);
    }
    if (status == WP_OK) {
        ids.offsets[count] = (uint64_t)count * DIGITS;
        status = check_distinct(&ids, err);
    }
    if (status != WP_OK) {
        wp_free(ids.offsets);
        wp_free(ids.bytes);
        return status;
    }
    wp_free(columns->user_ids.offsets);
    wp_free(columns->user_ids.bytes);
    columns->user_ids = ids;
    columns->bytes_size = wp_columns_size(columns);
    return wp_columns_fingerprint(columns, run, &columns->fingerprint, err);
}
