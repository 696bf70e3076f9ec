/* Promise: a list holds its elements in the order in which they were appended, whatever is removed
 * in between, and never allocates. Method: random appends and removals against an array. */
#include "base/mem/list.h"
#include "support/support.h"

#define ELEMENTS 40
#define STEPS 20000

struct element {
    int number;
    struct tb_list_node node;
};

static struct element elements[ELEMENTS];
/* The model: the numbers of the elements in the list, in order. */
static int model[ELEMENTS], model_count;

static void check(const struct tb_list *list)
{
    struct tb_list_node *node = list->first, *prev = NULL;

    for (int i = 0; i < model_count; i++, prev = node, node = node->next) {
        ck_assert_ptr_nonnull(node);
        ck_assert_ptr_eq(node->prev, prev);
        ck_assert_int_eq(TB_LIST_ELEMENT(node, struct element, node)->number, model[i]);
    }
    ck_assert_ptr_null(node);
    ck_assert_ptr_eq(list->last, prev);
}

static int find(int number)
{
    for (int i = 0; i < model_count; i++)
        if (model[i] == number)
            return i;
    return -1;
}

START_TEST(elements_stay_in_order)
{
    struct tb_list list = {0};
    struct fake_random random;

    fake_random_init(&random, test_seed(1));
    for (int i = 0; i < ELEMENTS; i++)
        elements[i].number = i;
    for (int step = 0; step < STEPS; step++) {
        int number = (int)fake_random_below(&random, ELEMENTS), at = find(number);

        ck_assert(tb_list_is_linked(&elements[number].node) == (at >= 0));
        if (at < 0 && fake_random_below(&random, 2) == 0) {
            tb_list_prepend(&list, &elements[number].node);
            memmove(model + 1, model, (size_t)model_count++ * sizeof *model);
            model[0] = number;
        } else if (at < 0) {
            tb_list_append(&list, &elements[number].node);
            model[model_count++] = number;
        } else {
            tb_list_remove(&list, &elements[number].node);
            model_count--;
            memmove(model + at, model + at + 1, (size_t)(model_count - at) * sizeof *model);
        }
        check(&list);
    }
    ck_assert_ptr_null(TB_LIST_ELEMENT(NULL, struct element, node));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");

    tcase_add_test(tc, elements_stay_in_order);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
