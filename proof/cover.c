/* SPDX-License-Identifier: BSD-2-Clause */
/* See cover.h. */
#include "proof/cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proof/condition.h"

#define STACK_MAX (1U << 17) /* regions that wait */
#define CUT_STEPS 16 /* that cutting a region costs, beside its ranges */

int ks_cover_init(struct ks_cover *cover, const struct ks_space *space)
{
	*cover = (struct ks_cover){ .space = space, .steps_max = ~0ULL };
	cover->near = calloc(space->count + 1, sizeof(*cover->near));
	cover->used = calloc(space->count + 1, sizeof(*cover->used));
	return cover->near && cover->used ? 0 : -ENOMEM;
}

void ks_cover_fini(struct ks_cover *cover)
{
	free(cover->near);
	free(cover->used);
	ks_pool_fini(&cover->pool);
	*cover = (struct ks_cover){ 0 };
}

void ks_cover_forget(struct ks_cover *cover)
{
	memset(cover->used, 0, cover->space->count * sizeof(*cover->used));
}

/* A region from which the claims before near[next] have been taken. */
struct waiting {
	struct ks_region region;
	size_t next;
};

struct stack {
	struct waiting *list;
	size_t count, room;
};

static void stack_fini(struct stack *stack)
{
	free(stack->list);
}

KS_SCOPED_STRUCT(auto_stack, struct stack, stack_fini)

static int stack_push(struct stack *stack, const struct ks_region *region, size_t next)
{
	if (stack->count == stack->room) {
		size_t room = stack->room ? stack->room * 2 : 64;
		struct waiting *list = room > STACK_MAX ? NULL : realloc(stack->list, room * sizeof(*list));

		if (!list)
			return room > STACK_MAX ? -E2BIG : -ENOMEM;
		stack->list = list;
		stack->room = room;
	}
	stack->list[stack->count++] = (struct waiting){ .region = *region, .next = next };
	return 0;
}

/*
 * Takes the first claim that overlaps from what waits on top, and lets the pieces wait. Returns 1 if none does: it is left, if any
 * packet meets its conditions.
 */
static int top_cut(struct ks_cover *cover, struct stack *stack, struct ks_region *left)
{
	struct waiting top = stack->list[--stack->count];
	struct ks_region pieces[KS_REGION_PIECES_MAX];
	const struct ks_region *claim = NULL;
	int count, err = 0;

	for (; top.next < cover->near_count; top.next++) {
		claim = &cover->space->claims[cover->near[top.next]].region;
		if (ks_regions_overlap(&top.region, claim, &cover->steps) &&
		    ks_conditions_are_possible(&cover->space->variables, &top.region, claim))
			break;
	}
	if (cover->steps > cover->steps_max)
		return -E2BIG;
	if (top.next == cover->near_count) {
		*left = top.region;
		return ks_conditions_are_possible(&cover->space->variables, left, left);
	}
	cover->used[cover->near[top.next]] = true;
	cover->steps += CUT_STEPS;
	count = ks_region_subtract(&cover->pool, &top.region, claim, &cover->steps, pieces);
	for (int i = count - 1; i >= 0 && !err; i--) /* the first on top */
		err = stack_push(stack, &pieces[i], top.next + 1);
	return count < 0 ? count : err;
}

int ks_cover_left(struct ks_cover *cover, const struct ks_region *region, ks_left_fn *fn, void *arg)
{
	ks_scoped(auto_stack) struct stack stack = { 0 };
	int err = stack_push(&stack, region, 0);
	while (!err && stack.count) {
		struct ks_region left;

		err = top_cut(cover, &stack, &left);
		if (err == 1)
			err = fn(&left, arg);
	}
	return err;
}
