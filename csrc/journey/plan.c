/* Checks and lifetime of measuring plans; see plan.h. */
#include "journey/plan.h"

#include "base/memory.h"

void wp_plan_reset(wp_plan *plan)
{
    wp_free((void *)plan->selections);
    wp_free(plan->windows);
    wp_free(plan->leaves);
    wp_free(plan->steps);
    wp_free(plan->ops);
    wp_free(plan->columns);
    wp_free(plan->rules.required);
    *plan = (wp_plan){0};
}

bool wp_leaf_uses_rows(wp_leaf_kind kind)
{
    return kind != WP_LEAF_ATTRIBUTE && kind != WP_LEAF_ANCHOR && kind != WP_LEAF_GIVEN;
}

bool wp_plan_may_miss(const wp_plan *plan, uint32_t column)
{
    const wp_plan_column *program = &plan->columns[column];
    for (uint32_t i = 0; i < program->ops_count; i++) {
        const wp_op *op = &plan->ops[program->first_op + i];
        if (op->kind == WP_OP_DIVIDE || op->kind == WP_OP_LOG1P)
            return true;
        if (op->kind == WP_OP_LEAF && plan->leaves[op->leaf].kind != WP_LEAF_COUNT &&
            plan->leaves[op->leaf].kind != WP_LEAF_DID)
            return true;
    }
    return false;
}

static bool source_exists(const wp_leaf *leaf, const wp_columns *columns)
{
    switch (leaf->source) {
    case WP_SOURCE_NUMBER:
        return leaf->column <
               (leaf->per_user ? columns->user_numbers_count : columns->numbers_count);
    case WP_SOURCE_TEXT:
        return leaf->column < (leaf->per_user ? columns->user_texts_count : columns->texts_count);
    default:
        return !leaf->per_user;
    }
}

static wp_status check_leaf(const wp_plan *plan, uint32_t at, const wp_columns *columns,
                            wp_error *err)
{
    const wp_leaf *leaf = &plan->leaves[at];
    if (leaf->window >= plan->windows_count || leaf->a >= plan->selections_count ||
        leaf->b >= plan->selections_count || leaf->first_step > plan->steps_count ||
        leaf->steps_count > plan->steps_count - leaf->first_step)
        return wp_fail(err, WP_INVALID, "plan: leaf %u points outside the plan", at + 1);
    bool reads = (leaf->kind >= WP_LEAF_DISTINCT && leaf->kind <= WP_LEAF_LAST) ||
                 leaf->kind == WP_LEAF_ATTRIBUTE || leaf->kind == WP_LEAF_ANCHOR;
    if (reads && !source_exists(leaf, columns))
        return wp_fail(err, WP_INVALID, "plan: leaf %u reads a column that is not there", at + 1);
    bool number = leaf->kind >= WP_LEAF_SUM && leaf->kind <= WP_LEAF_LAST;
    if ((number || leaf->kind == WP_LEAF_ATTRIBUTE) && leaf->source != WP_SOURCE_NUMBER)
        return wp_fail(err, WP_INVALID, "plan: leaf %u needs a number column", at + 1);
    if (leaf->kind == WP_LEAF_ATTRIBUTE && !leaf->per_user)
        return wp_fail(err, WP_INVALID, "plan: leaf %u needs a user attribute", at + 1);
    bool stages = leaf->kind == WP_LEAF_DEPTH || leaf->kind == WP_LEAF_BACKTRACKS ||
                  leaf->kind == WP_LEAF_HESITATION || leaf->kind == WP_LEAF_MATCHES;
    if (stages && leaf->steps_count == 0)
        return wp_fail(err, WP_INVALID, "plan: leaf %u has no steps", at + 1);
    if (leaf->kind == WP_LEAF_HESITATION && leaf->stage >= leaf->steps_count)
        return wp_fail(err, WP_INVALID, "plan: leaf %u asks for a stage it does not have", at + 1);
    if (leaf->kind == WP_LEAF_GIVEN && leaf->given == NULL)
        return wp_fail(err, WP_INVALID, "plan: leaf %u has no numbers", at + 1);
    return WP_OK;
}

static wp_status check_column(const wp_plan *plan, uint32_t at, wp_error *err)
{
    const wp_plan_column *column = &plan->columns[at];
    uint32_t depth = 0;
    if (column->first_op > plan->ops_count ||
        column->ops_count > plan->ops_count - column->first_op)
        return wp_fail(err, WP_INVALID, "plan: column %u points outside the plan", at + 1);
    for (uint32_t i = 0; i < column->ops_count; i++) {
        const wp_op *op = &plan->ops[column->first_op + i];
        if (op->kind == WP_OP_LEAF || op->kind == WP_OP_CONSTANT) {
            if (op->kind == WP_OP_LEAF && op->leaf >= plan->leaves_count)
                return wp_fail(err, WP_INVALID, "plan: column %u uses no such leaf", at + 1);
            depth++;
        } else if (op->kind >= WP_OP_ADD && op->kind <= WP_OP_DIVIDE) {
            if (depth < 2)
                return wp_fail(err, WP_INVALID, "plan: column %u lacks an operand", at + 1);
            depth--;
        } else if (depth < 1) {
            return wp_fail(err, WP_INVALID, "plan: column %u lacks an operand", at + 1);
        }
        if (depth > WP_PLAN_STACK)
            return wp_fail(err, WP_LIMIT, "metric: nested more than %d deep (expected less)",
                           WP_PLAN_STACK);
    }
    if (depth != 1)
        return wp_fail(err, WP_INVALID, "plan: column %u leaves %u numbers (expected one)", at + 1,
                       depth);
    return WP_OK;
}

static wp_status check_rules(const wp_plan *plan, wp_error *err)
{
    const wp_rules *rules = &plan->rules;
    int64_t columns = plan->columns_count;
    bool inside = rules->prior < columns && rules->outcome < columns;
    for (uint32_t i = 0; i < rules->required_count; i++)
        inside = inside && rules->required[i] < columns;
    return inside ? WP_OK : wp_fail(err, WP_INVALID, "plan: a rule asks for no such column");
}

wp_status wp_plan_check(const wp_plan *plan, const wp_columns *columns, wp_error *err)
{
    for (uint32_t i = 0; i < plan->windows_count; i++)
        if (plan->windows[i].kind == WP_WINDOW_OFFSETS &&
            plan->windows[i].to_us < plan->windows[i].from_us)
            return wp_fail(err, WP_INVALID, "window %u: ends before it starts", i + 1);
    for (uint32_t i = 0; i < plan->steps_count; i++)
        if (plan->steps[i] >= plan->selections_count)
            return wp_fail(err, WP_INVALID, "plan: step %u has no selection", i + 1);
    for (uint32_t i = 0; i < plan->leaves_count; i++)
        WP_TRY(check_leaf(plan, i, columns, err));
    for (uint32_t i = 0; i < plan->columns_count; i++)
        WP_TRY(check_column(plan, i, err));
    return check_rules(plan, err);
}
