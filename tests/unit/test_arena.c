/* Arenas: alignment, large pieces, what reset keeps. */
#include "common/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = { 0 };
    unsigned char *pieces[100];
    for (size_t i = 0; i < 100; i++) {
        pieces[i] = arena_alloc(&a, i);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 100; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(pieces[i][j], i);
        }
    }
    arena_release(&a);
    arena_release(NULL);
}

static void test_large_pieces_do_not_end_the_block_in_use(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *first = arena_alloc(&a, 8);
    char *large = arena_alloc(&a, 1000000);
    memset(large, 'x', 1000000);
    char *second = arena_alloc(&a, 8);
    assert_ptr_equal(second, first + 8);
    assert_int_equal(a.total, 1000016);
    arena_release(&a);
}

static void test_a_large_piece_may_come_first(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *large = arena_alloc(&a, 100001);
    memset(large, 'x', 100001);
    char *small = arena_alloc(&a, 3);
    memset(small, 'y', 3);
    assert_int_equal(large[100000], 'x');
    arena_reset(&a);
    assert_int_equal(a.total, 0);
    arena_release(&a);
}

static void test_reset_keeps_one_block_and_forgets_the_rest(void **state)
{
    (void)state;
    struct arena a = { 0 };
    for (int i = 0; i < 100; i++) {
        arena_alloc(&a, 5000);
    }
    arena_reset(&a);
    assert_non_null(a.blocks);
    const void *kept = a.blocks;
    assert_int_equal(a.used, 0);
    memset(arena_alloc(&a, 5000), 'x', 5000);
    assert_ptr_equal(a.blocks, kept);
    arena_reset(&a);
    assert_ptr_equal(a.blocks, kept);
    arena_release(&a);
    assert_null(a.blocks);
}

static void test_copies_are_equal_and_terminated(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct view copy = arena_copy(&a, view_of("a\0b", 3));
    assert_true(view_equal(copy, view_of("a\0b", 3)));
    assert_string_equal(arena_cstr(&a, view_of("abcdef", 3)), "abc");
    assert_string_equal(arena_cstr(&a, view_of(NULL, 0)), "");
    assert_int_equal(arena_copy(&a, view_of(NULL, 0)).len, 0);
    const int *zeroed = arena_calloc(&a, 100, sizeof *zeroed);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    arena_release(&a);
}

static void test_trim_gives_back_the_tail_of_the_newest_piece(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *piece = arena_alloc(&a, 1000);
    arena_trim(&a, piece, 1000, 9);
    assert_int_equal(a.total, 16);
    assert_ptr_equal(arena_alloc(&a, 1), piece + 16);
    arena_release(&a);
}

static void test_trim_of_a_large_piece_moves_nothing(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *small = arena_alloc(&a, 8);
    char *large = arena_alloc(&a, 100000);
    arena_trim(&a, large, 100000, 5);
    assert_ptr_equal(arena_alloc(&a, 8), small + 8);
    assert_int_equal(a.total, 24);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_aligned_and_apart),
        cmocka_unit_test(test_large_pieces_do_not_end_the_block_in_use),
        cmocka_unit_test(test_a_large_piece_may_come_first),
        cmocka_unit_test(test_reset_keeps_one_block_and_forgets_the_rest),
        cmocka_unit_test(test_copies_are_equal_and_terminated),
        cmocka_unit_test(test_trim_gives_back_the_tail_of_the_newest_piece),
        cmocka_unit_test(test_trim_of_a_large_piece_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
