/* Shared by all readers; see source.h. */
#include "ingest/source.h"

#include "base/number.h"

bool wp_order_parse(const char *text, size_t length, wp_order *order)
{
    *order = WP_ORDER_MISSING;
    if (length == 0)
        return true;
    order->fraction = 0;
    if (wp_integer_parse(text, length, &order->whole))
        return true;
    double number;
    if (wp_number_parse(text, length, &number)) {
        if (isnan(number))
            order->whole = INT64_MIN;
        if (isnan(number) || fabs(number) >= 9e18)
            return isnan(number);
        order->whole = (int64_t)floor(number);
        order->fraction = (uint32_t)((number - floor(number)) * 4294967296.0);
        return true;
    }
    static const wp_time_rule iso = {0};
    bool zone_assumed = false;
    return wp_time_parse(&iso, text, length, &order->whole, &zone_assumed);
}
