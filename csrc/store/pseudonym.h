/* Pseudonyms: ids of users replaced by a keyed hash, so that neither a store nor a report holds
** them.
**
** A pseudonym is SipHash-2-4 of the id as 16 hexadecimal digits; the 128-bit key comes from the
** caller's text by the same function. The same id and key give the same pseudonym everywhere;
** without the key nobody can go from an id to its pseudonym, or try ids out. The key is not kept.
*/
#ifndef WP_STORE_PSEUDONYM_H
#define WP_STORE_PSEUDONYM_H

#include "store/log.h"

#define WP_PSEUDONYM_BYTES 17 /* with NUL */

typedef struct wp_pseudonym_key {
    uint64_t words[2];
} wp_pseudonym_key;

wp_pseudonym_key wp_pseudonym_key_of(const char *text, size_t length);
void wp_pseudonym(const wp_pseudonym_key *key, const char *id, size_t length, char *out);

/* Replaces all ids and computes the fingerprint anew. The log must be new: of no view, and nobody
** else's. Two ids with one pseudonym (a chance of n^2 / 2^65) are refused. */
WP_NODISCARD wp_status wp_log_pseudonymise(wp_log *log, const wp_pseudonym_key *key,
                                           const wp_run *run, wp_error *err);

#endif
